"""Open a session for the widget: who is the user, who speaks, what moves the avatar.

A `Connector` is called on the session's own thread, so it may take its time: loading weights, starting the face
tracker, looking through a film.

Notebook: 11 (talk to it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from jaxtyping import Float32
from numpy import ndarray

from avatar_lab.data.face import FACE_INDEX
from avatar_lab.errors import ConfigError, MediaError
from avatar_lab.live.keeper import Emit, Message
from avatar_lab.live.recorder import Recorder
from avatar_lab.live.responder import Responder, SmallTalk
from avatar_lab.live.speaker import Speaker
from avatar_lab.live.users import film_user, sample_user, synthetic_user
from avatar_lab.live.voice import SampleVoice, Voice, best_voice
from avatar_lab.render.picture import Picture, make_picture
from avatar_lab.render.portrait import PhotoPortrait
from avatar_lab.stream.live_settings import LiveSettings
from avatar_lab.stream.mover import AvatarMover, MirrorMover, Mover
from avatar_lab.stream.session import Reader, Session

SMILES, SOBER = 0.35, 0.15  # a smile is noticed above the first and over below the second
GREETING: Final = "How was your weekend?"
_SMILE: Final = FACE_INDEX["smile"]


class Watching:
    """A reader that tells the speaker when the user smiles."""

    def __init__(self, reader: Reader, speaker: Speaker) -> None:
        self._reader, self._speaker, self._smiling = reader, speaker, False
        hear = getattr(reader, "hear", None)
        if hear:
            self.hear = hear

    @property
    def found(self) -> bool:
        """Whether a face was seen in the last picture."""
        return bool(getattr(self._reader, "found", True))

    @property
    def damaged(self) -> int:
        """Pictures that could not be decoded."""
        return int(getattr(self._reader, "damaged", 0))

    def read(self, jpeg: bytes, captured_ms: float) -> Float32[ndarray, "P"] | None:
        """Read the face, and notice the beginning of a smile."""
        row = self._reader.read(jpeg, captured_ms)
        if row is not None:
            smile = float(row[_SMILE])
            if smile > SMILES and not self._smiling:
                self._speaker.notice("smile")
            self._smiling = smile > (SOBER if self._smiling else SMILES)
        return row

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()


class Connector:
    """Opens sessions with one avatar, which is loaded once."""

    def __init__(
        self,
        avatar: Any,
        preset: str,
        engine: str,
        values: Mapping[str, Any],
        size: int,
        speaker: Callable[..., Speaker] | None = None,
        responder: Responder | None = None,
    ) -> None:
        self._avatar, self._preset, self._engine = avatar, preset, engine
        self._settings, self._size = LiveSettings.of(values), size
        self._speaker, self._responder = speaker or Speaker, responder
        self._voice: Voice | None = None

    def __call__(self, start: Message, buffers: Sequence[bytes], emit: Emit) -> Session:
        """Open a session as the page's `start` asks for; raises AvatarLabError when something is missing."""

        def tell(text: str, level: str = "info") -> None:
            emit({"type": "notice", "level": level, "text": text}, ())

        reader = self._reader(start, buffers, tell)
        mirror = self._engine == "mirror"
        answers = None if mirror else self._responder or SmallTalk(self._settings.seed)
        speaker = self._speaker(
            answers,
            on_hush=lambda: emit({"type": "cut"}, ()),
            tell=lambda text: tell(text, "warning"),
        )
        try:
            session = Session(
                MirrorMover() if mirror else self._mover(),
                Watching(reader, speaker),
                emit,
                settings=self._settings,
                speaker=speaker,
                size=self._size,
                job=lambda message, data: jobs.do(message, data),
            )
        except Exception:
            speaker.stop()
            reader.close()
            raise
        jobs = Jobs(session, speaker, self.voice, emit, self._size)
        if not mirror:
            speaker.say(greeting())
        return session

    def _mover(self) -> Mover:
        if self._avatar is None:
            from avatar_lab.model.avatar import load

            self._avatar = load(self._preset)
        return AvatarMover(self._avatar, self._settings)

    def _reader(self, start: Message, buffers: Sequence[bytes], tell: Callable[[str], None]) -> Reader:
        who = start.get("user")
        if who == "camera":
            from avatar_lab.live.camera import CameraReader

            return CameraReader()
        if who == "sample":
            return sample_user()
        if who == "synthetic":
            return synthetic_user(self._settings.seed)
        if who == "file" and buffers:
            return film_user(buffers[0], str(start.get("name", "film")), tell)
        raise ConfigError(
            f"The user must be camera, sample, synthetic or file (with its bytes); got {who!r}."
        )

    def voice(self) -> Voice:
        """Return what speaks typed text, made when first needed: a synthesiser, or the embedded phrases."""
        if self._voice is None:
            self._voice = best_voice() or SampleVoice()
        return self._voice


class Jobs:
    """What a session does that may take a second: to speak, to wear a portrait, to record."""

    def __init__(
        self, session: Session, speaker: Speaker, voice: Callable[[], Voice], emit: Emit, size: int
    ) -> None:
        self._session, self._speaker, self._voice, self._emit = session, speaker, voice, emit
        self._size = size

    def do(self, message: Message, buffers: Sequence[bytes]) -> None:
        """Do one; raises AvatarLabError when it cannot be done."""
        kind = message.get("type")
        if kind == "say":
            self._speaker.say(self._voice().speak(str(message.get("text", ""))))
        elif kind == "voice":
            self._speaker.say(sound_of(buffers))
        elif kind == "portrait":
            self._wear(message, buffers)
        elif kind == "record":
            self._record(bool(message.get("on")))
        else:
            raise ConfigError(f"This version cannot do that: {kind}.")

    def _wear(self, message: Message, buffers: Sequence[bytes]) -> None:
        if not message.get("confirmed"):
            raise ConfigError("A portrait is worn only when you confirmed that you may use it.")
        photo = picture_of(buffers)
        portrait = PhotoPortrait(photo, self._size)

        def pictures(settings: LiveSettings) -> Picture:
            worn = settings.picture == "portrait"
            return portrait if worn else make_picture("puppet", settings.character, self._size)

        self._session.use_pictures(pictures)
        self._session.change("picture", "portrait")
        for note in portrait.notes:
            self._emit({"type": "notice", "level": "info", "text": note}, ())

    def _record(self, on: bool) -> None:
        recorder = self._session.recorder
        if on and recorder is None:
            self._session.recorder = Recorder()
        elif not on and isinstance(recorder, Recorder):
            self._session.recorder = None
            self._emit({"type": "saved", "path": str(recorder.close())}, ())


def greeting() -> Float32[ndarray, "n"]:
    """Return the first words of a conversation."""
    return SampleVoice().speak(GREETING)


def picture_of(buffers: Sequence[bytes]) -> ndarray:
    """Return the picture in a file that the page sent, as RGB; raises MediaError for anything else."""
    import cv2
    import numpy as np

    data = np.frombuffer(buffers[0] if buffers else b"", np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise MediaError("That file is not a picture that can be read. Use a JPEG or PNG of one face.")
    return np.ascontiguousarray(picture[..., ::-1])


def sound_of(buffers: Sequence[bytes]) -> Float32[ndarray, "n"]:
    """Return the sound in a file that the page sent; raises MediaError for anything else."""
    import tempfile
    from pathlib import Path

    from avatar_lab.data.media import read_audio

    if not buffers or not buffers[0]:
        raise MediaError("The file is empty. Choose a sound file.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        path.write_bytes(buffers[0])
        try:
            return read_audio(path)
        except MediaError as error:
            raise MediaError(str(error).replace(str(path), "your file")) from error
