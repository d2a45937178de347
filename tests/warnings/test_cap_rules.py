"""Our rules against real alerts, mutants, and the OASIS schema where it is at hand."""

import os
from pathlib import Path

import pytest
from lxml import etree

from jinghu.warnings.cap import validate
from jinghu.warnings.cap_rules import MAX_BYTES

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("JINGHU_DATA", ROOT.parent / "shared" / "data")) / "cap"
GOOD = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
  <identifier>jinghu-1</identifier>
  <sender>office@jinghu.example</sender>
  <sent>2026-07-01T08:00:00+08:00</sent>
  <status>Actual</status>
  <msgType>Update</msgType>
  <scope>Public</scope>
  <references>office@jinghu.example,jinghu-0,2026-07-01T07:00:00+08:00</references>
  <info>
    <language>zh-CN</language>
    <category>Met</category>
    <event>暴雨</event>
    <urgency>Immediate</urgency>
    <severity>Severe</severity>
    <certainty>Likely</certainty>
    <onset>2026-07-01T08:30:00+08:00</onset>
    <expires>2026-07-01T11:00:00+08:00</expires>
    <resource><resourceDesc>map</resourceDesc><mimeType>image/png</mimeType></resource>
    <area>
      <areaDesc>越城区</areaDesc>
      <polygon>30.0,120.0 30.0,120.1 30.1,120.1 30.0,120.0</polygon>
      <circle>30.0,120.0 5</circle>
      <geocode><valueName>GB/T 2260</valueName><value>330602</value></geocode>
      <altitude>10</altitude>
      <ceiling>90</ceiling>
    </area>
  </info>
</alert>
"""
POLYGON = "30.0,120.0 30.0,120.1 30.1,120.1 30.0,120.0"
# (what is replaced, by what, the rule that refuses it)
MUTANTS = [
    ("<identifier>jinghu-1</identifier>", "", "missing"),
    ("<identifier>jinghu-1<", "<identifier><", "identifier"),
    ("<identifier>jinghu-1<", "<identifier>jinghu 1<", "identifier"),
    ("<identifier>jinghu-1<", "<identifier>jinghu,1<", "identifier"),
    ("<sender>office@", "<sender>the office@", "identifier"),
    ("<sent>2026-07-01T08:00:00+08:00", "<sent>2026-07-01T08:00:00Z", "time"),
    ("<sent>2026-07-01T08:00:00+08:00", "<sent>2026-07-01T08:00:00.5+08:00", "time"),
    ("<sent>2026-07-01T08:00:00+08:00", "<sent>2026-02-30T08:00:00+08:00", "time"),
    ("<sent>2026-07-01T08:00:00+08:00", "<sent>2026-07-01 08:00:00+08:00", "time"),
    ("<status>Actual", "<status>Real", "value"),
    ("<msgType>Update", "<msgType>Upgrade", "value"),
    ("<scope>Public", "<scope>Restricted", "restriction"),
    ("<scope>Public</scope>", "<scope>Private</scope>", "addresses"),
    ("<scope>Public</scope>", "<scope>Public</scope><restriction>x</restriction>", "restriction"),
    ("<scope>Public</scope>", "", "missing"),
    ("<status>Actual", "<status>Exercise", "note"),
    (
        "<references>office@jinghu.example,jinghu-0,2026-07-01T07:00:00+08:00</references>",
        "",
        "references",
    ),
    ("jinghu-0,2026-07-01T07:00:00+08:00<", "jinghu-0<", "references"),
    ("jinghu-0,2026-07-01T07:00:00+08:00<", "jinghu-0,2026-07-01T07:00:00Z<", "references"),
    ("jinghu-0,2026-07-01T07:00:00+08:00<", "jinghu-0,2026-07-01T09:00:00+08:00<", "references"),
    ("jinghu-0,2026-07-01T07", "jinghu-1,2026-07-01T07", "references"),
    ("<category>Met</category>", "", "missing"),
    ("<category>Met<", "<category>Meteo<", "value"),
    ("<event>暴雨</event>", "", "missing"),
    ("<event>暴雨</event>", "<event> </event>", "empty"),
    ("<event>暴雨</event>", "<event>暴雨</event><event>雨</event>", "repeated"),
    ("<urgency>Immediate", "<urgency>Now", "value"),
    ("<severity>Severe", "<severity>Red", "value"),
    ("<certainty>Likely", "<certainty>Very Likely", "value"),
    ("<urgency>Immediate</urgency>", "", "missing"),
    ("<language>zh-CN</language>", "<language>zh-CN</language><colour>red</colour>", "element"),
    ("<event>暴雨</event>\n    <urgency>Immediate</urgency>",
     "<urgency>Immediate</urgency><event>暴雨</event>", "order"),
    ("<expires>2026-07-01T11:00:00", "<expires>2026-07-01T07:00:00", "expires"),
    ("<onset>2026-07-01T08:30:00", "<onset>2026-07-01T12:30:00", "onset"),
    ("<mimeType>image/png</mimeType>", "", "missing"),
    ("<mimeType>image/png</mimeType>", "<mimeType>image/png</mimeType><size>big</size>", "number"),
    ("<areaDesc>越城区</areaDesc>", "", "missing"),
    ("<areaDesc>越城区<", "<areaDesc><", "empty"),
    (POLYGON, "30.0,120.0 30.0,120.1 30.0,120.0", "polygon"),
    (POLYGON, "30.0,120.0 30.0,120.1 30.1,120.1 30.1,120.0", "polygon"),
    (POLYGON, "30.0,120.0 30.1,120.1 30.1,120.0 30.0,120.1 30.0,120.0", "polygon"),
    (POLYGON, "120.0,30.0 120.1,30.0 120.1,30.1 120.0,30.0", "polygon"),
    (POLYGON, "30.0 120.0 30.0 120.1 30.1 120.1 30.0 120.0", "polygon"),
    (POLYGON, "", "polygon"),
    (POLYGON, "30.0,120.0 30.0,nan 30.1,120.1 30.0,120.0", "polygon"),
    ("<circle>30.0,120.0 5<", "<circle>30.0,120.0<", "circle"),
    ("<circle>30.0,120.0 5<", "<circle>30.0,120.0 -5<", "circle"),
    ("<value>330602</value>", "", "missing"),
    ("<altitude>10</altitude>", "", "ceiling"),
    ("<altitude>10<", "<altitude>high<", "number"),
    ("<sender>office@jinghu.example</sender>", "", "missing"),
    ("<sent>2026-07-01T08:00:00+08:00</sent>", "", "missing"),
    ("<status>Actual</status>", "", "missing"),
    ("<msgType>Update</msgType>", "", "missing"),
    ("<severity>Severe</severity>", "", "missing"),
    ("<certainty>Likely</certainty>", "", "missing"),
    ("<identifier>jinghu-1<", "<identifier>jinghu&lt;1<", "identifier"),
    ("<expires>2026-07-01T11:00:00+08:00", "<expires>tomorrow", "time"),
    ("<onset>2026-07-01T08:30:00+08:00", "<onset>2026-07-01T24:30:00+08:00", "time"),
    ("<urgency>", "<responseType>Run</responseType><urgency>", "value"),
    ("<resourceDesc>map</resourceDesc>", "", "missing"),
    ("<valueName>GB/T 2260<", "<valueName><", "empty"),
    ("<valueName>GB/T 2260</valueName>", "", "missing"),
    ("<event>暴雨<", "<event><b>暴雨</b><", "content"),
    ("<ceiling>90<", "<ceiling>sky<", "number"),
    ("<circle>30.0,120.0 5<", "<circle>91.0,120.0 5<", "circle"),
    (POLYGON, "30.0,120.0 30.0,190.1 30.1,120.1 30.0,120.0", "polygon"),
    ("<areaDesc>越城区<", "<areaDesc>x</areaDesc><areaDesc>越城区<", "repeated"),
    ("<status>Actual", "<status>", "value"),
    ("<info>", "<info><sent>2026-07-01T08:00:00+08:00</sent>", "element"),
    ("cap:1.2", "cap:1.1", "namespace"),
    ("</alert>", "", "xml"),
]  # fmt: skip


def rules(text: str) -> set[str]:
    return {problem.rule for problem in validate(text.encode())}


def without_infos(text: str) -> str:
    return text[: text.index("  <info>")] + "</alert>"


def test_the_alert_that_the_mutants_come_from_is_valid():
    assert validate(GOOD.encode()) == []


@pytest.mark.parametrize(("old", "new", "rule"), MUTANTS)
def test_every_mutant_is_refused_by_the_rule_it_breaks(old, new, rule):
    assert old in GOOD
    mutant = GOOD.replace(old, new, 1)
    assert rule in rules(mutant)
    assert all(p.place and p.message for p in validate(mutant.encode()))


def test_an_update_without_infos_and_an_error_without_reason():
    assert rules(without_infos(GOOD)) == {"info"}
    assert rules(without_infos(GOOD).replace("Update", "Error")) == {"note"}
    assert rules(without_infos(GOOD).replace("Update", "Ack")) == set()


def test_infos_of_one_alert_are_about_one_event():
    info = GOOD[GOOD.index("  <info>") : GOOD.index("</alert>")]
    twice = GOOD.replace("</alert>", info + "</alert>")
    assert rules(twice) == set()
    differing = GOOD.replace("</alert>", info.replace(">Met<", ">Geo<") + "</alert>")
    assert rules(differing) == {"infos"}


def test_entities_documents_and_sizes_that_harm_are_refused_unread():
    attack = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    body = GOOD.split("?>", 1)[1]
    for text in (attack + body.replace("jinghu-1", "&x;"), attack.lower() + body):
        assert rules(text) <= {"doctype", "xml"}
        assert rules(text)
    in_utf16 = ('<?xml version="1.0" encoding="UTF-16"?>' + attack + body).encode("utf-16")
    assert {p.rule for p in validate(in_utf16)} == {"encoding"}
    in_utf7 = b'<?xml version="1.0" encoding="UTF-7"?>' + (attack + body).encode("utf-7")
    assert {p.rule for p in validate(in_utf7)} <= {"doctype", "xml"}
    assert {p.rule for p in validate(b" " * (MAX_BYTES + 1))} == {"size"}
    assert {p.rule for p in validate(b"")} == {"xml"}
    assert {p.rule for p in validate(b"\xff\xfe\x00garbage")} == {"encoding"}


needs_samples = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not here")


@needs_samples
@pytest.mark.parametrize("name", ["canada", "iceland_met_office", "taiwan"])
def test_real_alerts_are_valid(name):
    assert validate((DATA / "samples" / f"{name}.cap").read_bytes()) == []


@needs_samples
@pytest.mark.parametrize(
    ("name", "rule"), [("invalid", "missing"), ("no_info_tag", "info"), ("weather", "namespace")]
)
def test_broken_and_older_alerts_are_refused_by_name(name, rule):
    """``weather`` is CAP 1.1."""
    found = validate((DATA / "samples" / f"{name}.cap").read_bytes())
    assert [p.rule for p in found] == [rule]


@needs_samples
def test_what_the_schema_refuses_we_refuse():
    schema = etree.XMLSchema(etree.parse(DATA / "CAP-v1.2.xsd"))
    assert schema.validate(etree.fromstring(GOOD.encode()))
    refused = 0
    for old, new, rule in MUTANTS:
        if rule != "xml":
            mutant = GOOD.replace(old, new, 1).encode()
            refused += not schema.validate(etree.fromstring(mutant))
            assert validate(mutant)
    assert refused >= 20  # the schema alone lets the others pass
    assert refused < len(MUTANTS) - 15
