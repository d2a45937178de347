// Chinese for what the cycle says of itself in English.

const PATTERNS = [
  [/^hindcast: volumes and gauges/, () => "回算：使用了分析时刻之后的雷达和雨量站资料"],
  [/^stale radars.*: (.+)$/, (m) => `雷达资料过时，已按移动外推到分析时刻：${m[1]}`],
  [/^refused: (.+)$/, (m) => `拒收输入：${m[1].split(":")[0]}`],
  [/^rain before the analysis is known for part of the windows \((.+)\)$/, (m) =>
    `分析时刻之前的雨量只知道一部分，累计值是下限（${m[1].replaceAll(" h:", "小时：")}）`],
  [/^no radar volume/, () => "没有雷达资料，只用雨量站"],
  [/^no gauges for the hour ending (.+?)Z/, (m) => `没有截至 ${m[1]}（UTC）一小时的雨量站资料，只用雷达`],
  [/^radar did not see the hour ending (.+?)Z/, (m) => `雷达没有观测到截至 ${m[1]}（UTC）的一小时，雨强未订正`],
  [/^(.+): (.+); its whole rays are used$/, (m) => `${m[1]}：文件不完整，只用其完整的径向`],
  [/terrain generated from river lines/, () => "流量基于由河道线生成的地形，不是实测地形"],
  [/^flood model starts cold/, () => "洪水模型冷启动：土壤和河道初值是一天前的估计"],
  [/^flood model: (\d+) % of the rain since (\S+)/, (m) => `洪水模型：自 ${m[2]} 以来 ${m[1]}% 的降雨没有观测，按无雨计`],
  [/^flood state of (\S+)/, (m) => `洪水模型不能接续 ${m[1]} 的状态：冷启动`],
  [/^no flood forecast/, () => "没有洪水预报"],
  [/^reservoirs start at their flood-limit levels/, () => "水库从汛限水位起算：没有读取实测水位"],
  [/^reservoir (.+): the network drains (\d+) km2 into it, its catchment has (\d+) km2/, (m) =>
    `水库${m[1]}：河网集水面积 ${m[2]} km²，实际 ${m[3]} km²`],
  [/^reservoir (.+): level ([\d.]+) m continues its table/, (m) => `水库${m[1]}：水位 ${m[2]} m 超出库容曲线，按延长线计算`],
  [/^reservoir (.+): rule (.+) is not applied/, (m) => `水库${m[1]}：规则 ${m[2]} 的控制站不在下游，未采用`],
  [/^radar (\S+): no usable volume/, (m) => `雷达 ${m[1]} 没有可用资料`],
  [/^radar (\S+) reads ([\d.]+) dB (low|high) against its neighbours: corrected/, (m) =>
    `雷达 ${m[1]} 比邻站偏${m[3] === "low" ? "低" : "高"} ${m[2]} dB，已订正`],
  [/^radar (\S+) has rain on it and reads ([\d.]+) dB low: corrected/, (m) =>
    `雷达 ${m[1]} 天线罩有雨水，偏低 ${m[2]} dB，已订正`],
  [/^no delivery channel/, () => "没有配置发送渠道：预警已生成，没有发送给任何人"],
  [/^no usable model run of the last ([\d.]+) h/, (m) => `近 ${m[1]} 小时没有可用的数值模式预报：只用外推`],
  [/^model input (\S+) does not exist/, (m) => `数值模式目录 ${m[1]} 不存在`],
  [/^model (\S+) ends at (\S+), before the nowcast/, (m) => `数值模式 ${m[1]} 只到 ${m[2]}，短于外推时效`],
  [/^model (\S+) covers (\d+) % of the grid/, (m) => `数值模式 ${m[1]} 只覆盖 ${m[2]}% 的区域`],
  [/^the model has no rain at the last analyses/, () => "数值模式没有最近实况时刻的降雨：按其长期技巧融合"],
  [/^the model has no rain for (\d+) of (\d+) leads/, (m) => `数值模式缺 ${m[2]} 个时效中的 ${m[1]} 个：这些时效只用外推`],
  [/^no critical rain: what stands/, () => "没有临界雨量产品：已发布的山洪预警维持不变"],
  [/^(\d+) steps wait for a second person/, (m) => `${m[1]} 项预警操作等待复核`],
  [/^(\S+) was issued by rule/, (m) => `${m[1]} 复核超时，已按规定自动发布`],
  [/motion/, () => "降雨移动估计受限"],
];

/** Chinese for a degradation; its English stands beside it in any case. */
export function degradationZh(text) {
  for (const [pattern, words] of PATTERNS) {
    const match = pattern.exec(text);
    if (match) return words(match);
  }
  return "本周期有降级";
}

export const STATUS = {
  Actual: null,
  Exercise: { zh: "演练：不是真实预警", en: "Exercise: no real warnings" },
  Test: { zh: "测试：不是真实预警", en: "Test: no real warnings" },
};

export const STATES = {
  dry: "无雨", wet: "有雨", missing: "缺测", blocked: "遮挡", stale: "过时", filled: "填补",
};

export const ANSWERED = ["ACKNOWLEDGED", "HANDLED", "CANNOT_HANDLE"];

export const KEYS = [
  ["空格 Space", "播放 / 暂停", "play / pause"],
  ["← →", "后退 / 前进一帧", "step back / forward"],
  ["Home End", "最早 / 最晚", "first / last"],
  ["N", "现在（分析时刻）", "now (analysis time)"],
  ["PgUp PgDn", "播放加快 / 减慢", "faster / slower"],
  ["1 … 9", "图层", "layers"],
  ["+ −", "放大 / 缩小", "zoom in / out"],
  ["0", "全市", "whole city"],
  ["Shift + ← ↑ → ↓", "移动十字", "move the cross"],
  ["Enter", "查询十字处", "ask at the cross"],
  ["W P C F G D I", "预警 / 点 / 单体 / 山洪 / 测站 / 调度 / 说明", "warnings / point / cells / flash floods / gauges / dispatch / notes"],
  ["Esc", "关闭", "close"],
  ["?", "本页", "this sheet"],
];
