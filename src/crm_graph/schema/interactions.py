"""Interactions as clients see them."""

from crm_graph.models.interactions import Direction, InteractionChannel, Sentiment
from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

TYPES = (
    TypeDeclaration(
        "interaction",
        "A contact with a customer or lead (跟进记录), on any channel.",
        {
            "channel": "The channel it took place on.",
            "direction": "Who began it.",
            "occurred_at": "When it took place or began, in UTC.",
            "duration_seconds": "How long it took, in seconds; null where that has no meaning or is unknown.",
            "outcome": "What came of it, in a few words.",
            "sentiment": "The mood of the other side; null while not judged.",
            "location": "Where it took place, for visits and meetings.",
            "thread_key": "Key that the messages of one conversation share; null outside conversations.",
            "next_follow_up_at": "When to follow up next (下次跟进), in UTC; null if nothing is planned.",
            "counterpart": "Number, address or account of the other side.",
            "subject": "Subject or headline, at most 500 characters.",
            "body": "What was said or written, at most 100,000 characters.",
            "next_follow_up_note": "What to do at the next follow-up, at most 2,000 characters.",
            "customer": "The customer it was with.",
            "lead": "The lead (线索) it was about.",
            "opportunity": "The opportunity (商机) it was about.",
            "ticket": "The ticket (工单) it was about.",
            "tasks": "Tasks (任务) that came from it, such as its next follow-up.",
        },
        label=("跟进记录", "Interaction", "Interactions"),
        labels={
            "channel": ("跟进方式", "Channel"),
            "direction": ("方向", "Direction"),
            "occurred_at": ("发生时间", "Occurred at"),
            "duration_seconds": ("时长（秒）", "Duration (seconds)"),
            "outcome": ("跟进结果", "Outcome"),
            "sentiment": ("客户情绪", "Sentiment"),
            "location": ("地点", "Location"),
            "thread_key": ("会话标识", "Conversation"),
            "next_follow_up_at": ("下次跟进时间", "Next follow-up"),
            "counterpart": ("对方号码或账号", "Counterpart"),
            "subject": ("主题", "Subject"),
            "body": ("跟进内容", "Content"),
            "next_follow_up_note": ("下次跟进事项", "Next follow-up note"),
            "customer": ("客户", "Customer"),
            "lead": ("线索", "Lead"),
            "opportunity": ("商机", "Opportunity"),
            "ticket": ("工单", "Ticket"),
            "tasks": ("任务", "Tasks"),
        },
    ),
)

ENUMS = (
    EnumDeclaration(
        InteractionChannel,
        "Channels that contacts take place on.",
        {
            "CALL": "A phone call (电话).",
            "EMAIL": "An e-mail.",
            "SMS": "A text message (短信).",
            "WECHAT": "A WeChat or WeCom message (微信).",
            "VISIT": "A visit on site (拜访).",
            "MEETING": "A meeting, in a room or online (会议).",
            "WEB": "The website or web shop.",
            "APP": "The company's app.",
            "STORE": "A store (门店).",
            "CHAT": "Online chat (在线客服).",
            "SURVEY": "An answer to a survey (问卷).",
        },
        labels={
            "CALL": ("电话", "Call"),
            "EMAIL": ("邮件", "E-mail"),
            "SMS": ("短信", "Text message"),
            "WECHAT": ("微信", "WeChat"),
            "VISIT": ("拜访", "Visit"),
            "MEETING": ("会议", "Meeting"),
            "WEB": ("网站", "Website"),
            "APP": ("App", "App"),
            "STORE": ("门店", "Store"),
            "CHAT": ("在线客服", "Online chat"),
            "SURVEY": ("问卷", "Survey"),
        },
    ),
    EnumDeclaration(
        Direction,
        "Who began a contact.",
        {
            "INBOUND": "The other side came to the company (呼入).",
            "OUTBOUND": "The company reached out (呼出).",
            "INTERNAL": "A contact among colleagues about the customer.",
        },
        labels={
            "INBOUND": ("呼入", "Inbound"),
            "OUTBOUND": ("呼出", "Outbound"),
            "INTERNAL": ("内部", "Internal"),
        },
    ),
    EnumDeclaration(
        Sentiment,
        "The mood of the other side in a contact.",
        {
            "POSITIVE": "Satisfied or pleased.",
            "NEUTRAL": "Neither pleased nor upset.",
            "NEGATIVE": "Upset or disappointed.",
        },
        labels={
            "POSITIVE": ("积极", "Positive"),
            "NEUTRAL": ("中性", "Neutral"),
            "NEGATIVE": ("消极", "Negative"),
        },
    ),
)
