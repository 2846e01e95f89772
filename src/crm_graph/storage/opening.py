"""Which storage an installation has."""

from crm_graph.settings import Settings
from crm_graph.storage.directory import Directory
from crm_graph.storage.keeping import Storage


def storage_of(settings: Settings) -> Storage:
    """A directory of this machine."""
    return Directory(settings.files_dir or settings.home / "files")
