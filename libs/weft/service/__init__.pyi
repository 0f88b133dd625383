# The public names of `weft.service`; `weft/service/__init__.py` imports them lazily.

from weft.service.command_line import settings_from as settings_from
from weft.service.front import FrontMember as FrontMember
from weft.service.front import front_member as front_member
from weft.service.isolation import processes_of as processes_of
from weft.service.keys import KeyFile as KeyFile
from weft.service.keys import KeyRecord as KeyRecord
from weft.service.keys import NewKey as NewKey
from weft.service.keys import new_key as new_key
from weft.service.language_model import opened_model as opened_model
from weft.service.mesh import Member as Member
from weft.service.mesh import announced as announced
from weft.service.mesh import member as member
from weft.service.outside_file import OutsideFile as OutsideFile
from weft.service.patience import patience_of as patience_of
from weft.service.presence import proving as proving
from weft.service.serving import Listening as Listening
from weft.service.serving import Opening as Opening
from weft.service.serving import Served as Served
from weft.service.serving import serve as serve
from weft.service.serving import unannounced as unannounced
from weft.service.settings import ModelSettings as ModelSettings
from weft.service.settings import ServiceSettings as ServiceSettings
from weft.service.settings import SpecialistSettings as SpecialistSettings
from weft.service.specialist import agent_app as agent_app

__all__ = [
    "FrontMember",
    "KeyFile",
    "KeyRecord",
    "Listening",
    "Member",
    "ModelSettings",
    "NewKey",
    "Opening",
    "OutsideFile",
    "Served",
    "ServiceSettings",
    "SpecialistSettings",
    "agent_app",
    "announced",
    "front_member",
    "member",
    "new_key",
    "opened_model",
    "patience_of",
    "processes_of",
    "proving",
    "serve",
    "settings_from",
    "unannounced",
]
