"""What people should do, by hazard and level, Chinese first."""

from jinghu.warnings.levels import Hazard, Level

_RAIN_ZH = {
    Level.BLUE: "注意收听预报，检查低洼处和排水口，做好准备。",
    Level.YELLOW: "停止低洼地段户外作业，巡查山边、河边和危房，切断低洼地带室外电源。",
    Level.ORANGE: "立即转移危险区域人员，停课停工按预案执行，封闭涉水道路，切断危险电源。",
    Level.RED: "危险区域人员立即转移到安全地点，停止一切室外活动，全力抢险救灾。",
}
_RAIN_EN = {
    Level.BLUE: "Follow the forecasts, check low ground and drains, be ready.",
    Level.YELLOW: "Stop outdoor work on low ground; patrol slopes, rivers and unsafe houses.",
    Level.ORANGE: "Move people out of danger areas now; close flooded roads; cut unsafe power.",
    Level.RED: "Move everyone in danger areas to safety now; stop all outdoor activity.",
}
_RIVER_ZH = {
    Level.BLUE: "注意水位变化，远离河滩，检查堤防、涵闸和低洼处，做好准备。",
    Level.YELLOW: "撤离河滩和沿河低洼处人员，停止涉水作业，加密巡查堤防、涵闸和危房。",
    Level.ORANGE: "立即转移沿河危险区域人员，封闭沿河和涉水道路，上堤防守。",
    Level.RED: "沿河危险区域人员立即转移到安全地点，停止一切沿河活动，全力抢险。",
}
_RIVER_EN = {
    Level.BLUE: "Watch the river, keep off its banks, check dikes, sluices and low ground.",
    Level.YELLOW: "Leave river banks and low ground along the river; patrol dikes and sluices.",
    Level.ORANGE: "Move people away from the river now; close riverside roads; man the dikes.",
    Level.RED: "Move everyone along the river to safety now; stop all activity near it.",
}
_RESERVOIR_ZH = {
    Level.BLUE: "注意水库水位和泄洪信息，远离下游河道，检查泄洪通道。",
    Level.YELLOW: "撤离下游河滩人员，加密巡查大坝和泄洪设施，做好泄洪预警。",
    Level.ORANGE: "立即转移下游危险区域人员，封闭下游沿河道路，驻坝值守。",
    Level.RED: "下游危险区域人员立即转移到安全地点，按预案抢险。",
}
_RESERVOIR_EN = {
    Level.BLUE: "Follow the reservoir's level and releases; keep out of the river below it.",
    Level.YELLOW: "Leave river banks below the dam; patrol dam and spillway; announce releases.",
    Level.ORANGE: "Move people below the dam out of danger now; close riverside roads.",
    Level.RED: "Move everyone below the dam to safety now; follow the emergency plan.",
}
_TORRENT_ZH = {
    Level.BLUE: "注意雨情，检查转移路线和避灾场所，远离沟谷河道。",
    Level.YELLOW: "停止进山涉溪，巡查沟谷、山边和切坡房屋，核对转移人员名单。",
    Level.ORANGE: "准备转移：危险区人员收拾随身物品，老弱病残先行转移，联系避灾场所。",
    Level.RED: "立即转移：危险区人员马上向两侧高处和避灾场所撤离，不得返回。",
}
_TORRENT_EN = {
    Level.BLUE: "Watch the rain; check the way out and the shelter; keep out of gullies.",
    Level.YELLOW: "Keep out of hills and streams; patrol gullies; check whom to move.",
    Level.ORANGE: "Prepare to leave: pack, take the old and the weak away first, open the shelter.",
    Level.RED: "Leave at once for high ground on either side or the shelter, and do not go back.",
}
_GALE_ZH = {
    Level.BLUE: "加固户外设施和临时搭建物，高空和水上作业注意防风，人员避开广告牌和大树。",
    Level.YELLOW: "停止高空、水上户外作业和露天集体活动，切断户外危险电源，人员避开广告牌和大树。",
    Level.ORANGE: "居民留在室内，转移危旧房和工棚内人员，船舶回港，停止一切高空和水上作业。",
    Level.RED: "立即转移危旧房和临时建筑内人员，停止一切户外活动，关紧门窗，全力抢险。",
}
_GALE_EN = {
    Level.BLUE: "Fasten what may blow away; mind the wind on heights and water; keep off trees.",
    Level.YELLOW: "Stop work on heights and water and outdoor gatherings; cut unsafe power.",
    Level.ORANGE: "Stay indoors; move people out of unsafe houses and sheds; boats to port.",
    Level.RED: "Move people out of unsafe and makeshift houses now; stop all outdoor activity.",
}
_HEAT_ZH = {
    Level.BLUE: "注意防暑，午后少在户外活动。",
    Level.YELLOW: "午后减少户外作业，走访独居老人和病弱人员，备好饮水和防暑药品。",
    Level.ORANGE: "避免午后户外作业，缩短连续作业时间，每天看望独居老人和病弱人员，防范火灾。",
    Level.RED: "停止户外露天作业，开放纳凉点，逐户看望独居老人和病弱人员，严防火灾。",
}
_HEAT_EN = {
    Level.BLUE: "Mind the heat; stay out of the afternoon sun.",
    Level.YELLOW: "Less outdoor work in the afternoon; call on the old and the sick; have water.",
    Level.ORANGE: "No outdoor work in the afternoon; see the old and the sick daily; mind fires.",
    Level.RED: "Stop work in the open; open cool rooms; see every old and sick person; mind fires.",
}
_TEXTS = {
    Hazard.RAINSTORM: (_RAIN_ZH, _RAIN_EN),
    Hazard.RIVER_FLOOD: (_RIVER_ZH, _RIVER_EN),
    Hazard.RESERVOIR: (_RESERVOIR_ZH, _RESERVOIR_EN),
    Hazard.MOUNTAIN_TORRENT: (_TORRENT_ZH, _TORRENT_EN),
    Hazard.GALE: (_GALE_ZH, _GALE_EN),
    Hazard.HIGH_TEMPERATURE: (_HEAT_ZH, _HEAT_EN),
}
_WEATHER_OVER = (
    "预警已解除，请继续关注天气变化。",
    "The warning has ended; keep following the weather.",
)
_OVER = {
    Hazard.RAINSTORM: _WEATHER_OVER,
    Hazard.GALE: _WEATHER_OVER,
    Hazard.HIGH_TEMPERATURE: _WEATHER_OVER,
    Hazard.MOUNTAIN_TORRENT: (
        "预警已解除，返回前请先查看房屋和道路，警惕滑坡和二次山洪。",
        "The warning has ended; look at house and road before you return, and mind slides.",
    ),
}
_WATER_OVER = (
    "预警已解除，请继续关注水情变化。",
    "The warning has ended; keep following the water levels.",
)


def instruction_zh(level: Level, hazard: Hazard) -> str:
    """What to do, in Chinese; with no level, that it is over."""
    return _TEXTS[hazard][0].get(level, _OVER.get(hazard, _WATER_OVER)[0])


def instruction_en(level: Level, hazard: Hazard) -> str:
    """What to do, in English; with no level, that it is over."""
    return _TEXTS[hazard][1].get(level, _OVER.get(hazard, _WATER_OVER)[1])
