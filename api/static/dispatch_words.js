// Chinese for what a what-if is refused for, and for what binds a plan.

import { beijingText, flow } from "./format.js";

const later = (text) => beijingText(Date.parse(text));

const REFUSED = [
  [/no reservoir (?!lies)(\S+);/, (m) => `没有水库 ${m[1]}`],
  [/no reservoir lies above the control gauges/, () => "控制站上游没有水库，无从调节"],
  [/a reservoir is named twice/, () => "同一水库写了两次"],
  [/times must ascend/, () => "泄流计划的时间必须依次递增"],
  [/: (\S+) is after the forecast, which ends at (\S+)/, (m) => `泄流时间 ${later(m[1])} 晚于预报期，预报到 ${later(m[2])} 为止`],
  [/([\d.e+]+) m3\/s is more than its gates can pass at any level, ([\d.]+)/, (m) =>
    `下泄 ${flow(+m[1])} m³/s 做不到：闸门在任何水位下最多泄 ${m[2]} m³/s`],
  [/a least release of (\S+) m3\/s above the most, (\S+)/, (m) => `下泄下限 ${m[1]} m³/s 高于上限 ${m[2]} m³/s`],
  [/level (\S+) m is none of this reservoir, whose pool reaches from (\S+) m to the crest at (\S+) m/, (m) =>
    `目标水位 ${m[1]} m 做不到：库区从 ${m[2]} m 到坝顶 ${m[3]} m`],
  [/gauge (\S+) is not downstream/, (m) => `测站${m[1]}不在该水库下游`],
  [/level (\S+) m at (\S+) is below the river's bed, (\S+) m/, (m) => `${m[2]}限制水位 ${m[1]} m 低于河底 ${m[3]} m`],
  [/no gauge (\S+)/, (m) => `没有测站 ${m[1]}`],
  [/fewer than two in the forecast/, () => "预报期太短，优化至少需要两个时段"],
  [/no release satisfies the limits/, () => "没有满足全部约束的泄流方案"],
  [/without the rules the release of every step must be given/, () => "不受规则约束时，泄流计划必须从预报开始时起给出"],
  [/is outside the table/, () => "水库水位超出库容曲线，无法计算"],
  [/its state is not kept any more/, () => "该周期的模型状态已不保留，请回到最新周期"],
  [/is not published|no cycle is published/, () => "该周期没有发布"],
  [/has no reservoir on its network/, () => "河网上没有水库"],
  [/another what-if is running/, () => "另一次推演正在进行，请几秒后再试"],
  [/what-if runs are not offered/, () => "本服务不提供调度推演"],
  [/it needs what-if/, () => "本密钥无调度推演权限"],
  [/needs an API key|not known here/, () => "请先登录"],
  [/too many requests/, () => "请求过于频繁，请稍后再试"],
  [/is not kept here|holds no scenario/, () => "该方案已不存在或文件损坏"],
  [/save_as/, () => "方案名称须为 1 至 60 个字"],
  [/^body\./, () => "输入的数值不合要求"],
];

/** Chinese for a refusal, with the reservoir it is about where it names one. */
export function refusedZh(text, reservoirs) {
  const about = reservoirs.find((r) => text.startsWith(`schedules: ${r.id}:`) || text.startsWith(`constraints: ${r.id}:`));
  const found = REFUSED.map(([pattern, words]) => [pattern.exec(text), words]).find(([match]) => match);
  return `${about ? `${about.name_zh}：` : ""}${found ? found[1](found[0]) : "推演未能进行"}`;
}

const BINDING = {
  supply: "供水保障库容", "highest-level": "最高允许库容", "gates-wide-open": "闸门全开(泄流能力)", change: "泄量变幅",
  "flood-limit": "期末回到汛限水位", "max-release": "最大泄量", "min-release": "最小泄量", evenly: "尽量均匀",
};

/** Chinese for a constraint that binds a plan. */
export const bindingZh = (name) => BINDING[name] ?? name.replace(/^downstream (.+)$/, "$1控制流量");
