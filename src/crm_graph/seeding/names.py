"""The vocabulary that invented people, organisations, places and goods are made of. Nobody here exists."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class City:
    """A city where the company sells. `area_code` is the dialling code without its zero, `division` the six-digit
    administrative code that identity and registration numbers begin with, `digits` the length of a landline number.
    """

    name: str
    province: str
    area_code: str
    division: str
    districts: tuple[str, ...]
    digits: int = 8


@dataclass(frozen=True, slots=True)
class Product:
    """One line of the price list: `price` without tax and `cost`, both in CNY a unit."""

    sku: str
    name: str
    name_en: str
    unit: str
    price: Decimal
    cost: Decimal


CITIES = (
    City("上海", "上海", "21", "310104", ("徐汇区", "浦东新区", "静安区", "闵行区")),
    City("杭州", "浙江", "571", "330106", ("西湖区", "拱墅区", "滨江区", "余杭区")),
    City("南京", "江苏", "25", "320102", ("玄武区", "鼓楼区", "江宁区", "建邺区")),
    City("苏州", "江苏", "512", "320508", ("姑苏区", "吴中区", "虎丘区", "相城区")),
    City("宁波", "浙江", "574", "330203", ("海曙区", "鄞州区", "江北区", "镇海区")),
    City("广州", "广东", "20", "440106", ("天河区", "越秀区", "番禺区", "海珠区")),
    City("深圳", "广东", "755", "440305", ("南山区", "福田区", "宝安区", "龙岗区")),
    City("佛山", "广东", "757", "440604", ("禅城区", "南海区", "顺德区", "三水区")),
    City("厦门", "福建", "592", "350203", ("思明区", "湖里区", "集美区", "海沧区"), digits=7),
    City("北京", "北京", "10", "110105", ("朝阳区", "海淀区", "丰台区", "通州区")),
    City("成都", "四川", "28", "510104", ("锦江区", "武侯区", "青羊区", "高新区")),
    City("武汉", "湖北", "27", "420106", ("武昌区", "江汉区", "洪山区", "汉阳区")),
)

STREETS = ("望江路", "银杏路", "长堤街", "听雨巷", "观澜大道", "云栖路", "青禾路", "桂花街", "学府路", "春晓路")

SURNAMES = (
    ("王", "wang"), ("李", "li"), ("张", "zhang"), ("刘", "liu"), ("陈", "chen"), ("杨", "yang"), ("黄", "huang"),
    ("赵", "zhao"), ("周", "zhou"), ("吴", "wu"), ("徐", "xu"), ("孙", "sun"), ("马", "ma"), ("朱", "zhu"),
    ("胡", "hu"), ("郭", "guo"), ("何", "he"), ("林", "lin"), ("高", "gao"), ("罗", "luo"), ("郑", "zheng"),
    ("梁", "liang"), ("谢", "xie"), ("宋", "song"), ("唐", "tang"), ("许", "xu"), ("邓", "deng"), ("韩", "han"),
    ("冯", "feng"), ("曹", "cao"), ("单", "shan"), ("欧阳", "ouyang"),
)  # fmt: skip

GIVEN_NAMES = (
    ("伟", "wei"), ("芳", "fang"), ("静怡", "jingyi"), ("子涵", "zihan"), ("晓明", "xiaoming"), ("丽华", "lihua"),
    ("建国", "jianguo"), ("雨桐", "yutong"), ("浩然", "haoran"), ("思远", "siyuan"), ("美玲", "meiling"),
    ("志强", "zhiqiang"), ("佳琪", "jiaqi"), ("文博", "wenbo"), ("秀英", "xiuying"), ("天宇", "tianyu"),
    ("若曦", "ruoxi"), ("俊杰", "junjie"), ("海燕", "haiyan"), ("国栋", "guodong"), ("诗涵", "shihan"),
    ("明轩", "mingxuan"), ("桂兰", "guilan"), ("宇航", "yuhang"), ("婷婷", "tingting"), ("永康", "yongkang"),
    ("欣妍", "xinyan"), ("博文", "bowen"), ("素梅", "sumei"), ("嘉懿", "jiayi"),
)  # fmt: skip

COMPANY_WORDS = (
    "临江", "云栖", "听涛", "远帆", "青禾", "星桥", "锦程", "北辰", "南山里", "百川", "新叶", "恒屿", "启明里", "澜庭",
    "晴川", "松果", "万象里", "木棉", "沐光", "同泽",
)  # fmt: skip

COMPANY_TRADES = (
    ("酒店管理", "酒店"), ("餐饮", "餐饮"), ("置业", "房地产"), ("物业服务", "物业"), ("教育科技", "教育"),
    ("医疗器械", "医疗"), ("装饰工程", "装修"), ("电器贸易", "经销商"), ("食品", "食品"), ("信息技术", "信息技术"),
)  # fmt: skip

OVERSEAS = (
    ("Harbour & Finch Hospitality Ltd", "HK", "Hong Kong", "HKD"),
    ("Morita Kaden Shoji KK", "JP", "Osaka", "JPY"),
    ("Nordlicht Haustechnik GmbH", "DE", "Hamburg", "EUR"),
    ("Castellan Interiors S.L.", "ES", "Valencia", "EUR"),
    ("Bluegum Appliances Pty", "AU", "Perth", "USD"),
    ("Redwood Lane Properties LLC", "US", "Portland", "USD"),
)

BANKS = ("澄江银行", "东海商业银行", "南岭农商银行", "华岳银行")

PRODUCTS = (
    Product("AC-35-INV", "1.5匹变频空调", "Inverter air conditioner 3.5 kW", "台", Decimal(2655), Decimal(1960)),
    Product(
        "AC-MULTI-16", "家用中央空调一拖五", "Multi-split air conditioning 16 kW", "套", Decimal(24600), Decimal(17800)
    ),
    Product("RF-520-MD", "520升多门冰箱", "Multi-door refrigerator 520 l", "台", Decimal(4599), Decimal(3420)),
    Product("RF-BAR-45", "45升静音小冰箱", "Silent minibar 45 l", "台", Decimal(690), Decimal(468)),
    Product("WM-10-HP", "10公斤热泵洗烘一体机", "Heat-pump washer-dryer 10 kg", "台", Decimal(5150), Decimal(3790)),
    Product("TV-75-ML", "75英寸Mini LED电视", "Mini LED television 75 in", "台", Decimal(6190), Decimal(4720)),
    Product("TV-43-HTL", "43英寸酒店电视", "Hotel television 43 in", "台", Decimal(1480), Decimal(1125)),
    Product("DW-13-BI", "13套嵌入式洗碗机", "Built-in dishwasher, 13 settings", "台", Decimal(3890), Decimal(2810)),
    Product("WH-60-EL", "60升电热水器", "Electric water heater 60 l", "台", Decimal(1240), Decimal(870)),
    Product("RV-S8", "扫拖机器人", "Robot vacuum and mop", "台", Decimal(2390), Decimal(1610)),
    Product("KT-INST", "安装与调试服务", "Installation and commissioning", "次", Decimal(260), Decimal(150)),
    Product("SV-CARE-1Y", "年度专属保养", "Maintenance plan, one year", "年", Decimal(980), Decimal(520)),
)

CAMPAIGNS = ("春季焕新季", "618以旧换新", "中秋家电节", "双11预售", "家装节", "老客户回馈")
COMPETITORS = ("蓝鲸家电", "北极星电器", "优居商城")

GIVEN_SYLLABLES = (
    ("安", "an"), ("宁", "ning"), ("欣", "xin"), ("雅", "ya"), ("然", "ran"), ("琳", "lin"), ("博", "bo"),
    ("涛", "tao"), ("杰", "jie"), ("霞", "xia"), ("勇", "yong"), ("敏", "min"), ("颖", "ying"), ("鹏", "peng"),
    ("雪", "xue"), ("晨", "chen"), ("晴", "qing"), ("峰", "feng"), ("梅", "mei"), ("玉", "yu"), ("刚", "gang"),
    ("凯", "kai"), ("倩", "qian"), ("瑶", "yao"), ("斌", "bin"), ("诗", "shi"), ("远", "yuan"), ("辉", "hui"),
    ("月", "yue"), ("鑫", "xin"), ("冰", "bing"), ("莹", "ying"), ("帆", "fan"), ("彤", "tong"), ("哲", "zhe"),
    ("璐", "lu"), ("毅", "yi"), ("荣", "rong"), ("岚", "lan"), ("成", "cheng"),
)  # fmt: skip
"""Given names of the large population are one or two of these."""
