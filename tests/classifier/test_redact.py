"""Identity data out, typed marks in; nothing else touched."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from classifier.normalise import normalise, normalised
from classifier.redact import MARK, could_be_name, is_id_number, redact

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_WIDE = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")
_HAN = str.maketrans("0123456789", "〇一二三四五六七八九")
_FORMAL = str.maketrans("0123456789", "零壹贰叁肆伍陆柒捌玖")
_PLAIN = str.maketrans("〇一二三四五六七八九零壹贰叁肆伍陆柒捌玖", "01234567890123456789")


def _with_check_digit(body: str) -> str:
    """The 18-digit number of a 17-digit body (GB 11643-1999)."""
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, _WEIGHTS, strict=True)) % 11]


@st.composite
def id_numbers(draw: st.DrawFn) -> str:
    region = draw(st.integers(110000, 659999))
    born = draw(st.dates(date(1900, 1, 1), date(2025, 1, 1)))
    return _with_check_digit(f"{region}{born:%Y%m%d}{draw(st.integers(0, 999)):03d}")


@st.composite
def spelled(draw: st.DrawFn, number: str) -> str:
    """One of the ways people write a number: full-width, Chinese numerals, lower case, with separators in any gap."""
    written = draw(
        st.sampled_from([str, str.lower, *(lambda n, t=t: n.translate(t) for t in (_WIDE, _HAN, _FORMAL))])
    )(number)
    between = draw(st.sampled_from(["", " ", "-", "－", "–", "  ", "\u200b", "·", " - ", "\u3000", "."]))
    everywhere = draw(st.booleans())
    gaps = (
        set(range(1, len(written)))
        if everywhere
        else draw(st.sets(st.integers(1, len(written) - 1), max_size=4))
    )
    return "".join((between if i in gaps else "") + character for i, character in enumerate(written))


contexts = st.text(st.sampled_from("0123456789第年月日号共元，。：、 （）abXx张身份证反映\n"), max_size=12)


def _digits_left(text: str) -> str:
    """What a reader could still put together from a text: all its digits, whatever stands between."""
    return re.sub(r"[^0-9Xx]", "", MARK.sub("|", text).translate(_PLAIN)).upper()


@settings(max_examples=150, deadline=None)
@given(id_numbers(), st.data(), contexts, contexts)
def test_no_valid_id_number_survives(number: str, data: st.DataObject, before: str, after: str) -> None:
    assert is_id_number(number)
    text = normalised(before + data.draw(spelled(number)) + after)
    redacted, _, found = redact(text)
    assert number not in _digits_left(redacted)
    assert "〈身份证号〉" in redacted
    assert "身份证号" in {item.kind for item in found}


@settings(max_examples=60, deadline=None)
@given(id_numbers(), st.integers(0, 17), st.integers(1, 9))
def test_a_wrong_check_digit_is_no_id_number(number: str, at: int, step: int) -> None:
    if number[at] == "X":
        return
    other = number[:at] + str((int(number[at]) + step) % 10) + number[at + 1 :]
    assert not is_id_number(other)  # MOD 11-2 catches every single wrong digit


@pytest.mark.parametrize(
    "number", ["", "12345", "11010119900307851", "110101199002307859", "11010119900307851Y", "X" * 18]
)
def test_what_is_no_id_number(number: str) -> None:
    assert not is_id_number(number)


def test_an_id_number_behind_a_digit_is_not_cut_by_the_phone_number_it_seems_to_hold() -> None:
    number = _with_check_digit("41187019330513351")
    redacted, _, _ = redact(f"1 {' '.join(number)} 2")
    assert redacted == "1 〈身份证号〉 2"


@settings(max_examples=40, deadline=None)
@given(id_numbers(), st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True))
def test_a_phone_number_glued_to_an_id_number_goes_too(number: str, phone: str) -> None:
    redacted, _, _ = redact(phone + number)
    assert phone not in redacted
    assert number not in redacted


@settings(max_examples=40, deadline=None)
@given(st.dates(date(1920, 1, 1), date(1999, 12, 31)), st.integers(110000, 659999), st.integers(0, 999))
def test_old_fifteen_digit_id_numbers_go(born: date, region: int, order: int) -> None:
    redacted, _, _ = redact(f"老身份证{region}{born:%y%m%d}{order:03d}，请查")
    assert re.fullmatch("老身份证〈(身份证号|银行卡号)〉，请查", redacted)


@settings(max_examples=80, deadline=None)
@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.data())
def test_no_mobile_number_survives(number: str, data: st.DataObject) -> None:
    written = data.draw(st.sampled_from(["", "+86", "0086", "86-", "+86 "])) + data.draw(spelled(number))
    redacted, _, _ = redact(normalised(f"联系我{written}，谢谢"))
    assert number not in _digits_left(redacted)
    assert "〈手机号〉" in redacted or "〈银行卡号〉" in redacted


def _luhn(body: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(reversed(body)))
    return body + str(-total % 10)


@settings(max_examples=40, deadline=None)
@given(st.from_regex(r"(62|4[0-9]|5[1-5])[0-9]{13}([0-9]{3})?", fullmatch=True))
def test_bank_cards_with_a_luhn_digit_go(body: str) -> None:
    card = _luhn(body)
    grouped = " ".join(card[i : i + 4] for i in range(0, len(card), 4))
    for written in (card, grouped):
        redacted, _, _ = redact(f"打到卡{written}上")
        assert card not in _digits_left(redacted)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("打010-62345678问", "打〈固定电话〉问"),
        ("打(0371)65551234问", "打(〈固定电话〉问"),
        ("打0371 6555 1234问", "打〈固定电话〉问"),
        ("400-820-8820投诉", "〈固定电话〉投诉"),
        ("座机65551234", "座机〈固定电话〉"),
        ("办公电话：8765432", "办公电话：〈固定电话〉"),
        ("电话13812345678X", "电话〈手机号〉X"),
        ("13812345678/13912345678", "〈手机号〉/〈手机号〉"),
        ("手机一三八幺二三四五六七八", "手机〈手机号〉"),
        ("车豫A12345违停", "车〈车牌号〉违停"),
        ("车豫A·12345违停", "车〈车牌号〉违停"),
        ("新能源车京AD12345", "新能源车〈车牌号〉"),
        ("粤B1234警", "〈车牌号〉"),
        ("皖A8888挂，", "〈车牌号〉，"),
        ("护照E12345678", "护照〈护照号〉"),
        ("护照EA1234567号", "护照〈护照号〉号"),
        ("发到a.b-c@mail.example.com.cn。", "发到〈邮箱〉。"),
        ("ａｂｃ＠ｑｑ．ｃｏｍ", "〈邮箱〉"),
        ("QQ:123456789", "QQ:〈QQ号〉"),
        ("扣扣号是10001", "扣扣号是〈QQ号〉"),
        ("微信号：zhangsan_88", "微信号：〈微信号〉"),
        ("加vx:abc12345", "加vx:〈微信号〉"),
        ("微信13812345678", "微信〈手机号〉"),
        ("我叫张伟，", "我叫〈姓名〉，"),
        ("我叫欧阳修文。", "我叫〈姓名〉。"),
        ("来访人李四反映", "来访人〈姓名〉反映"),
        ("姓名：王小明 电话", "姓名：〈姓名〉 电话"),
        ("反映人：阿依古丽·买买提，", "反映人：〈姓名〉，"),
        ("我叫次仁卓玛，女，藏族，", "我叫〈姓名〉，〈性别〉，〈民族〉，"),
        ("来访人买买提·吐尔逊，男，", "来访人〈姓名〉，〈性别〉，"),
        ("周忠人，男，", "〈姓名〉，〈性别〉，"),
        ("农民工，男，", "农民工，〈性别〉，"),
        ("张伟，男，汉族，", "〈姓名〉，〈性别〉，〈民族〉，"),
        ("本人王芳，现年45岁", "本人〈姓名〉，现年45岁"),
        ("村民刘翠花，家住", "村民〈姓名〉，家住"),
        ("王女士来电", "〈姓名〉来电"),
        ("村主任张某某", "村主任〈姓名〉"),
        ("请处理。\n张建国", "请处理。\n〈姓名〉"),
        ("请处理。\n张建国\n2021年3月4日", "请处理。\n〈姓名〉\n2021年3月4日"),
        ("请处理。\n张建国\n电话：13812345678", "请处理。\n〈姓名〉\n电话：〈手机号〉"),
        ("性别：女", "性别：〈性别〉"),
        ("民族：维吾尔族", "民族：〈民族〉"),
        ("1965年3月12日出生，", "〈出生〉，"),
        ("出生日期：1965-03-12", "出生日期：〈出生〉"),
        ("生于1965年3月，", "生于〈出生〉，"),
        ("籍贯河南省信阳市，", "籍贯〈籍贯〉，"),
        ("我是新疆喀什人，", "我是〈籍贯〉人，"),
        ("（籍贯西藏拉萨）", "（籍贯〈籍贯〉）"),
    ],
)  # fmt: skip
def test_each_recogniser_leaves_its_own_mark(text: str, expected: str) -> None:
    assert redact(normalised(text))[0] == expected


@pytest.mark.parametrize(
    "text",
    [
        "2019年3月4日至2021年12月31日，工资12345.67元一直没有发。",
        "我们村有3800亩地，2018年征收，每亩补偿48600元，共计184680000元。",
        "我家住幸福路1234号院12号楼3单元1501室。",
        "乘坐801路、12路和B35路公交车，每天6:30到22:00。",
        "打12345热线、12348、12315、110和119都没有用。",
        "依据国办发〔2019〕12号文件和《信访工作条例》第三十一条。",
        "案号（2021）豫0102民初12345号，判决已生效。",
        "工单编号20210304001234，至今未办结。",
        "2018.08.09-2018.08.12和2019-08-09 - 2019-08-12停水。",
        "一、二、三、四、五、六、七、八、九、十期业主都没有拿到房产证。",
        "事故发生于2019年5月，产生于2018年。",
        "北京市民政局的工作人员说可以办。",
        "苗族聚居的苗岭镇修路，男女老少都支持。",
        "我们小区南门外的和平路、石家庄路都堵。",
        "请问办理社保卡需要什么材料？我是农村户口。",
        "QQ群里和微信群里都在说这件事。",
        "G107国道K123+456处路面塌陷，S210省道也一样。",
        "水表读数0012345，电表读数00678901。",
    ],
)
def test_ordinary_sentences_stay_as_they_are(text: str) -> None:
    text = normalised(text)
    redacted, alignment, found = redact(text)
    assert (redacted, found) == (text, ())
    assert alignment.before(0, len(text)) == (0, len(text))


def test_the_petitioners_own_name_goes_wherever_it_stands() -> None:
    text = "甄有理家的地被占。甄有理多次反映。"
    assert redact(text)[0] == text
    assert redact(text, names=["甄有理"])[0] == "〈姓名〉家的地被占。〈姓名〉多次反映。"
    assert redact(text, names=["甄"])[0] == text  # one character would tear words apart


def test_a_name_once_introduced_goes_wherever_it_stands() -> None:
    redacted, _, _ = redact("我叫张建国，去年村里说张建国不符合条件。")
    assert redacted == "我叫〈姓名〉，去年村里说〈姓名〉不符合条件。"


def test_of_two_that_overlap_nothing_stays() -> None:
    redacted, _, found = redact("村民张大山先生", names=["山先生李"])
    assert redacted == "村民〈姓名〉"
    assert len(found) == 1
    redacted, _, _ = redact("找王建国女士兵", names=["女士兵"])
    assert redacted == "找〈姓名〉"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "我叫张伟，",
                "电话１３８１２３４５６７８，",
                "請處理。",
                "\r\n",
                "😀",
                "　",
                "豫A12345 ",
                "地被占了",
            ]
        ),
        max_size=10,
    ).map("".join)
)
@example("")
def test_spans_point_at_the_original(text: str) -> None:
    normal, to_given = normalise(text)
    redacted, alignment, found = redact(normal, to_given)
    for item in found:
        start, end = to_given.before(item.start, item.end)
        assert normalised(text[start:end]) == normal[item.start : item.end].strip()
    marks = list(MARK.finditer(redacted))
    assert [mark.group() for mark in marks] == [f"〈{item.kind}〉" for item in found]
    for mark, item in zip(marks, found, strict=True):
        assert alignment.before(*mark.span()) == to_given.before(item.start, item.end)


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=60))
def test_found_items_are_in_order_and_apart(text: str) -> None:
    text = normalised(text)
    _, _, found = redact(text)
    edges = [edge for item in found for edge in (item.start, item.end)]
    assert edges == sorted(edges)
    assert all(item.start < item.end for item in found)


def test_redacting_twice_changes_nothing() -> None:
    text = "我叫张伟，男，汉族，1965年3月12日出生，籍贯河南省信阳市，电话13812345678，QQ:123456，车豫A12345。"
    once = redact(text)[0]
    assert redact(once)[0] == once


def test_what_could_be_a_name() -> None:
    for word in ("王建军", "诸葛亮", "欧阳", "李四", "张伟"):
        assert could_be_name(word), word
    for word in ("蓝湾苑", "金家村", "油烟", "烧烤店", "锦绣花园", "3号楼", "", "王建军三号院"):
        assert not could_be_name(word), word
