from streamaudit.api import Filters as Filters
from streamaudit.api import Frame as Frame
from streamaudit.api import Result as Result
from streamaudit.api import Session as Session
from streamaudit.api import open as open
from streamaudit.api import open_export as open_export
from streamaudit.api import read as read

__version__: str
