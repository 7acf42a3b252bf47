"""Is speech ever taken for digits? Half an hour of it, by many voices, at many speeds and pitches, must give none.

Usage: talk_off.py TALK_OFF_EXAMPLE HOLD_MUSIC

Needs espeak-ng. The music is listened to as well. Prints what was heard where, exits 1 if that is anything, or if it was
less than half an hour that was listened to.
"""

import pathlib
import subprocess
import sys

MINUTES_MIN = 30
CODECS = 4
# Voices high and low, breathy, hoarse and whispering; languages that roll, hum and sing differently.
VOICES = [
    ("en-us", 50), ("en-us+m3", 10), ("en-us+m7", 30), ("en-us+f2", 60), ("en-gb+f4", 99), ("en-gb+f3", 80),
    ("en-gb+croak", 50), ("en-us+whisper", 50), ("en-gb+klatt2", 50), ("en-gb-scotland+f5", 70), ("de", 40),
    ("fr+f1", 90), ("es+m5", 20), ("it+f2", 50), ("nl+m2", 60), ("sv+f3", 70),
]  # fmt: skip
SPEEDS = [110, 150, 210]
# Every sound of English, numbers read out, and vowels that are held: those come nearest to a tone.
TEXT = """
Good morning, and welcome to the meeting. Who has joined? Ana, Ben and Cho are here; Zoe and Hugh will be late.
The beige leather armchair over there is where Judge Thatcher usually dozes through the evening news.
My number is one two three, four five six, seven eight nine zero, and the extension is four two, star, hash.
We shipped eighty six boxes on the eleventh, nineteen on the twelfth, and two hundred and seven yesterday.
Oooooh, that is loooovely. Noooo waaaay! Aaaaah, I see. Eeeeee! Hmmmm, mmmm, well, I am not quite sure.
She sells sea shells, he chews huge fresh cheese, they measure azure treasure with a vision of pure pleasure.
A loud crowd found out about our south town house; the boy enjoyed his noisy oyster; near here, we fear, are no deer.
Please hold the line while I look that up. Your call is important to us. Thank you for waiting.
Peter Piper picked a peck of pickled peppers. Around the rugged rocks the ragged rascal ran.
Will you wait, while we weigh why the wheel whirls? Yellow lorry, red lorry, yellow lorry, red lorry.
Hello? Hello! Can you hear me now? You are breaking up. Let me dial in again, from the kitchen this time.
"""


def listen(example: str, rate: int, pcm: bytes) -> tuple[float, list[str]]:
    """The seconds listened to by each codec, and what was heard."""
    out = subprocess.run([example, str(rate)], input=pcm, check=True, capture_output=True).stdout.decode()
    seconds, *digits = out.splitlines()
    return float(seconds) / CODECS, digits


def wav(data: bytes) -> tuple[int, bytes]:
    return int.from_bytes(data[24:28], "little"), data[44:]


def main(example: str, music: str) -> int:
    heard = 0
    seconds = 0.0
    for voice, pitch in VOICES:
        for speed in SPEEDS:
            speak = ["espeak-ng", "--stdout", "-v", voice, "-p", str(pitch), "-s", str(speed), TEXT]
            spoken, digits = listen(example, *wav(subprocess.run(speak, check=True, capture_output=True).stdout))
            seconds += spoken
            heard += len(digits)
            for digit in digits:
                print(f"{voice}, pitch {pitch}, {speed} words a minute: {digit}")
    played, digits = listen(example, *wav(pathlib.Path(music).read_bytes()))
    heard += len(digits)
    for digit in digits:
        print(f"music: {digit}")
    print(f"digits heard in {seconds / 60:.0f} minutes of speech and {played:.0f} s of music, by each codec: {heard}")
    return 1 if heard or seconds < 60 * MINUTES_MIN else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
