"""Which characters Unicode 14.0 has, whatever the Unicode of this Python is.

Text is recorded in normal form C. What that is does not change for characters that a version of Unicode has (Unicode
normalization stability policy); for others a later version may order or compose them, so that one program finds its own
text altered by another. Records therefore hold characters of Unicode 14.0 alone, which every supported Python and every
current browser knows.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Final

__all__ = ["unassigned"]

_RANGES: Final = (
    "eNpVVE1oXFUUPj/399333kwmSWeSyfwkZNLEZJLSpE3SNNbWxjTVWpBqNSil2JaCLtxkJxYpFhFqXShakHZj1xVBqV1YRKyCFTeWUkRrQdypuP"
    "IHoZ47saJc7rs/557vnHve993fDVp2QNALrzJsxGlUMGcH2CZnCBbxWLYdN2MRakiQqiaw/gnBI2MZxIk0JjLXlpjBYL/4Wl63cWziZGStiIwG"
    "MiWvIAEF63aDQeYKKdeYGSfzu7jRFnGVUR3cbs9gSYEmlkSZmBRlbOIOkqZsg8rFuwJdGNG14YiKGoMpd/ZDxFu3aBafAJxGjxmI+XZhVcZu6p"
    "PcCB0RW4nidUAVFrg+HGMa6JNvBY18LQbUjRVo8Si0oAj58GcIkhH+SYIdS6nxHulD/66KsE2+u3GQqvogWjynadWUXZ/rDTENDocw6KCretVM"
    "qGXfhIwzJhpHk7S5qlPagbugjqmcKWBz08O0CdbsIhVp0UxgaifUm0pQN0r3Ei+2Jm6VzApooQdjzY9BhgOQ01A+lJ9GfktX0p43chyE70hNdp"
    "KfN5z1OQf/bycGq7AabmBfxjvhIB5XE3AIHg2b4OcfkObct9T9IdprqDo1Km+noOftss30WtKg/ZDyEMy5gtTreLnmreRnOxEW+YRc+MLBUOHN"
    "/MtufKblglFViNWNvHmh8BHjrKHGuJ6BHtBs4GUULl1B6oAIoQTGG8ygKnaGIhYGn1eKJ+kJuSRNTr2Iddqc17jlGmpCNWCEC2PnUYK2uMVjdk"
    "uSSXki0dL1cdclcmXvyxbGIdltJVZbeEZYgRWbTEkINUQDinbMcy9Oy8rLb6vLtYNJzM7GKGduluo4oKpGB7d/79aZdMZM2XCBmgKokPeN2fHe"
    "aqvWXXH7JaklT9hvgt4K3XbUHYbepBva93XIIvmkersKWv9XDhCiHCLZlROKmlfwKTC1FYmAs7hx8IEk6Ly0oMOWASxy5RIuPn0geNGAF+eG6D"
    "BzYcnjFKb9K/ZAuvcUJTAJBV+nQYlQ2BNjtCkWP7FBWxlHpFsT3qf+D0Sg0+nb9uhzYJJP8YueI+m7DpKrjc/VpfsvK9OEwI9A0A20ftkHyXeD"
    "6rmonzzyEG8zpR0m4eyPKXvDjyU/LunObd6hCVXU9jSfLD2rckpMQP/N8BRW3NrCb+hH8RPsWT6LveFx138KH4M98SGJzwxkUiEHu0RMXsaaVE"
    "soI1y4TniB8IrODRS/cs3vRXcl7BTua5wkISDzFWoWFxTd8k68hDFwFbFrdB+L6TWz9OC9Hwv8gBhI/n2QI6IieW7W1aT+2b/b4ipeRXfOBSgp"
    "JYmUpvk0tfloKIrgizDiL+JsPW1zIsqyZ/GmVV2U01pYNSLuPON5KfWYbQg5rlMooCFDztUpVdYH7UUpryPMDYeX3O0vqXG5aW4hnmxn7207Vz"
    "mvbodrI+/fHKfa4RO/4pm/+M4dxtj/BlN3j/0="
)
"""The ranges of code points that are unassigned (general category Cn, DerivedGeneralCategory-14.0.0.txt): for each the
distance from the one before and its length, as LEB128, deflated, in base64.
"""


def unassigned(text: str) -> str | None:
    """The first character that Unicode 14.0 does not have; None if there is none."""
    found = None if text.isascii() else _pattern().search(text)
    return None if found is None else found[0]


@cache
def _pattern() -> re.Pattern[str]:
    numbers, ranges, end = _numbers(zlib.decompress(base64.b64decode(_RANGES))), [], 0
    for gap in numbers:
        start = end + gap
        end = start + next(numbers)
        ranges.append(f"\\U{start:08x}-\\U{end:08x}")
    return re.compile(f"[{''.join(ranges)}]")


def _numbers(data: bytes) -> Iterator[int]:
    number, shift = 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number, shift = 0, 0
