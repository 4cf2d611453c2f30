"""The movements that are no gesture, by name: who must be in view, how long they last, and who plays them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from spikecut.sources.simulation.scenes import moves_of_others, moves_of_the_room, moves_of_the_user
from spikecut.sources.simulation.scenes.stage import Take

User = Literal["absent", "standing", "seated"]


@dataclass(frozen=True, slots=True)
class Movement:
    """One kind of movement. It needs the user in one of the states `before`, and leaves them in `after` (None: as
    they were). It lasts between two times (s).
    """

    play: Callable[[Take], None]
    seconds: tuple[float, float]
    before: tuple[User, ...] = ("absent", "standing", "seated")
    after: User | None = None


_IN_VIEW: tuple[User, ...] = ("standing", "seated")
MOVEMENTS: dict[str, Movement] = {
    "walk in": Movement(moves_of_the_user.walk_in, (2.2, 4.5), ("absent",), "standing"),
    "walk out": Movement(moves_of_the_user.walk_out, (2.2, 4.5), ("standing",), "absent"),
    "sit down": Movement(moves_of_the_user.sit_down, (1.6, 3.0), ("standing",), "seated"),
    "stand up": Movement(moves_of_the_user.stand_up, (1.4, 3.0), ("seated",), "standing"),
    "step": Movement(moves_of_the_user.step, (1.4, 3.0), ("standing",)),
    "come close": Movement(moves_of_the_user.come_close, (5.0, 8.5), ("standing",)),
    "turn": Movement(moves_of_the_user.turn, (2.0, 4.5), ("standing",)),
    "lean": Movement(moves_of_the_user.lean, (1.5, 4.0), _IN_VIEW),
    "scratch": Movement(moves_of_the_user.scratch, (1.8, 4.5), _IN_VIEW),
    "drink": Movement(moves_of_the_user.drink, (3.5, 7.0), _IN_VIEW),
    "phone": Movement(moves_of_the_user.phone, (3.0, 7.0), _IN_VIEW),
    "reach": Movement(moves_of_the_user.reach, (1.8, 4.0), _IN_VIEW),
    "talk": Movement(moves_of_the_user.talk, (3.0, 7.0), _IN_VIEW),
    "adjust": Movement(moves_of_the_user.adjust, (2.0, 4.5), _IN_VIEW),
    "stretch": Movement(moves_of_the_user.stretch, (2.2, 4.5), _IN_VIEW),
    "carry": Movement(moves_of_the_user.carry, (4.0, 6.0), ("standing",)),
    "pass by": Movement(moves_of_others.pass_by, (2.5, 6.0)),
    "pass close": Movement(moves_of_others.pass_close, (1.6, 3.5), ("absent",)),
    "pass together": Movement(moves_of_others.pass_together, (3.0, 6.5)),
    "come near": Movement(moves_of_others.come_near, (4.5, 9.0), ("absent", "standing")),
    "walk away": Movement(moves_of_others.walk_away, (4.5, 9.0), ("absent", "standing")),
    "come and go": Movement(moves_of_others.come_and_go, (5.0, 9.0), ("absent",)),
    "at the edge": Movement(moves_of_others.at_the_edge, (4.0, 7.0), ("absent", "standing")),
    "thing": Movement(moves_of_others.move_thing, (3.0, 8.0), ("absent",)),
    "hand": Movement(moves_of_others.move_hand, (2.5, 6.0), ("absent",)),
    "camera": Movement(moves_of_the_room.shake_camera, (1.0, 3.5)),
    "shadow": Movement(moves_of_the_room.shadow, (1.2, 4.0)),
    "flicker": Movement(moves_of_the_room.flicker, (1.2, 3.5)),
    "wall": Movement(moves_of_the_room.on_the_wall, (1.8, 4.5)),
    "noise": Movement(moves_of_the_room.noise, (1.5, 4.0)),
}
IN_COMPANY = tuple(name for name, movement in MOVEMENTS.items() if set(movement.before) & {"standing", "seated"})


def bridge(state: User, movement: Movement) -> list[str]:
    """The movements between a state of the user and one that this movement can begin in.

    >>> bridge("absent", MOVEMENTS["stand up"])
    ['walk in', 'sit down']
    >>> bridge("seated", MOVEMENTS["hand"])
    ['stand up', 'walk out']
    """
    order: tuple[User, ...] = ("absent", "standing", "seated")
    at = order.index(state)
    target = min((order.index(one) for one in movement.before), key=lambda place: abs(place - at))
    up, down = ("walk in", "sit down"), ("walk out", "stand up")
    return list(up[at:target]) if target > at else list(down[target:at][::-1])
