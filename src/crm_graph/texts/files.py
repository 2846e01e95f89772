"""What is wrong with an export, and with the file of an import."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "export_one_list": (
        "An export is a query of one list with its nodes, such as {{ customers {{ nodes {{ name }} }} }}.",
        "导出须为查询单个列表及其 nodes 的文档，例如 {{ customers {{ nodes {{ name }} }} }}。",
    ),
    "export_columns": ("An export may have at most {limit} columns.", "导出不能超过 {limit} 列。"),
    "exports_waiting": (
        "You have {limit} exports that have not expired. Download one of them instead.",
        "您已有 {limit} 个未过期的导出，请直接下载其中之一。",
    ),
    "exports_busy": (
        "Others are downloading exports now. Try again in a moment.",
        "当前有其他导出正在下载，请稍后重试。",
    ),
    "export_under_way": (
        "You are downloading an export already. Try again when it has ended.",
        "您正在下载另一个导出，请在其完成后重试。",
    ),
    "no_such_export": (
        "There is no such export, or it has expired. Make it again.",
        "导出不存在或已过期，请重新创建。",
    ),
    "no_such_file": (
        "There is no such file, or you may not read it.",
        "文件不存在，或您无权读取。",
    ),
    "no_such_upload": (
        "There is no such upload, or it has expired. Call createUpload again.",
        "上传地址不存在或已过期，请重新调用 createUpload。",
    ),
    "upload_taken": (
        "The bytes of this upload are here already, or on their way. Call createUpload for another file.",
        "该上传的内容已收到或正在传输，如需上传其他文件请重新调用 createUpload。",
    ),
    "upload_without_bytes": (
        "The bytes of this upload are not all here. Send them to its address first.",
        "该上传的内容尚未收全，请先将文件发送到上传地址。",
    ),
    "uploads_waiting": (
        "You have {limit} uploads that are not finished. Finish one of them, or wait an hour.",
        "您有 {limit} 个未完成的上传，请先完成其中之一，或一小时后再试。",
    ),
    "file_refused": ("The file is not what was told of it.", "文件与所声明的不符。"),
    "file_size": ("The file does not have {told} bytes, as was told.", "文件大小与声明的 {told} 字节不符。"),
    "file_type": ("The content of the file is not {told}, as was told.", "文件内容与声明的类型 {told} 不符。"),
    "file_sha256": (
        "The SHA-256 of the file is {found}, and {told} was told.",
        "文件的 SHA-256 为 {found}，与声明的 {told} 不符。",
    ),
    "file_type_not_taken": (
        "Files of this type are not taken. These are: {types}.",
        "不接受该类型的文件。可接受的类型：{types}。",
    ),
    "not_a_sha256": ("A SHA-256 has 64 hexadecimal digits.", "SHA-256 须为 64 位十六进制数。"),
    "storage_full": (
        "There is no room for the file now. Tell who runs the hub, and try again later.",
        "存储空间不足，请联系管理员，稍后重试。",
    ),
    "import_encoding": (
        "The file's text encoding is not known. Save it as UTF-8.",
        "无法识别文件编码，请另存为 UTF-8。",
    ),
    "import_same_file": ("The report would overwrite the file itself. Name another.", "报告文件不能与导入文件相同。"),
    "import_empty": ("The file is empty.", "文件为空。"),
    "import_header_missing": (
        "A column is missing: {missing}. The file has: {found}.",
        "缺少列：{missing}。文件中的列：{found}。",
    ),
    "import_header_twice": ("Two columns mean the same field: {columns}.", "有两列对应同一字段：{columns}。"),
    "import_row_shape": (
        "The row has {cells} cells, the header has {columns}. Is a quote or a comma missing?",
        "该行有 {cells} 个单元格，表头有 {columns} 列，请检查引号或逗号。",
    ),
    "import_quote": ("A quotation mark opens here and is not closed.", "引号未闭合。"),
    "import_ambiguous": (
        "Several records fit this row. Add its external id to one of them.",
        "该行对应多条记录，请先为其中一条补充外部编号。",
    ),
    "import_cell_too_long": ("A cell may hold at most {max} characters.", "单元格不能超过 {max} 个字符。"),
    "import_repeated": (
        "This external id stands in row {row} already. Keep one of them.",
        "该外部编号已在第 {row} 行出现，请保留一行。",
    ),
}
