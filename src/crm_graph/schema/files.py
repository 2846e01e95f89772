"""Files as clients see them."""

from crm_graph.models.files import FileKind
from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

TYPES = (
    TypeDeclaration(
        "file",
        "A file that hangs on a record (附件).",
        {
            "name": "Its name for people to read, at most 200 characters; no path, and free of what misleads a screen.",
            "kind": "What it is to the record. Set by the service.",
            "media_type": "What it holds, such as `application/pdf`. Set by the service.",
            "size": "Its size in bytes. Set by the service.",
            "sha256": "SHA-256 of its bytes, in hexadecimal. Set by the service.",
            "download_url": (
                "Path to GET its bytes from with a token, for who reads all of these fields. Set by the service."
            ),
            "created_by": "Who put it there.",
        },
        label=("附件", "File", "Files"),
        labels={
            "name": ("文件名", "Name"),
            "kind": ("附件类型", "Kind"),
            "media_type": ("媒体类型", "Media type"),
            "size": ("大小（字节）", "Size (bytes)"),
            "sha256": ("SHA-256 校验值", "SHA-256"),
            "download_url": ("下载地址", "Download address"),
            "created_by": ("上传人", "Uploaded by"),
        },
    ),
)

ENUMS = (
    EnumDeclaration(
        FileKind,
        "What a file is to the record that it hangs on.",
        {
            "DOCUMENT": "A document: an offer, a letter, a table.",
            "IMAGE": "A photo or a scan.",
            "RECORDING": "A recorded call or meeting.",
            "SIGNED": "A signed or stamped document (签署件).",
            "OTHER": "Anything else.",
        },
        labels={
            "DOCUMENT": ("文档", "Document"),
            "IMAGE": ("图片", "Image"),
            "RECORDING": ("录音录像", "Recording"),
            "SIGNED": ("签署件", "Signed document"),
            "OTHER": ("其他", "Other"),
        },
    ),
)
