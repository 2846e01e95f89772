"""Custom fields of the tests."""

from crm_graph.custom_fields import CustomDefinition
from crm_graph.models.custom_fields import CustomKind
from crm_graph.models.fields import DataClass

CUSTOM_FIELDS = (
    CustomDefinition("customer", "loyaltyCard", CustomKind.TEXT, DataClass.CONTACT, "Loyalty card", "会员卡号", True),
    CustomDefinition("customer", "visits", CustomKind.INT, DataClass.METRIC, "Visits", "到店次数"),
    CustomDefinition("customer", "floorArea", CustomKind.DECIMAL, DataClass.AMOUNT, "Floor area", "面积"),
    CustomDefinition("customer", "vip", CustomKind.BOOLEAN, DataClass.BASIC, "VIP", "贵宾"),
    CustomDefinition("customer", "anniversary", CustomKind.DATE, DataClass.IDENTITY, "Anniversary", "纪念日", True),
    CustomDefinition("customer", "calledAt", CustomKind.DATE_TIME, DataClass.CONTENT, "Called", "回访时间"),
    CustomDefinition(
        "customer", "visitTime", CustomKind.ENUM, DataClass.BASIC, "Visit time", "上门时段",
        options=(("MORNING", "Morning", "上午"), ("EVENING", "Evening", "晚上")),
    ),
    CustomDefinition("customer", "tags", CustomKind.TEXT_LIST, DataClass.BASIC, "Tags", "标签"),
    CustomDefinition("ticket", "class", CustomKind.TEXT, DataClass.BASIC, "Class", "类别"),
    CustomDefinition("ticket", "version", CustomKind.INT, DataClass.COST, "Version", "版本"),
)  # fmt: skip
