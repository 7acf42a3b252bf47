"""Is concealment better than silence? PESQ (narrow band) of spoken sentences with 1, 3 and 5 % of the packets lost.

Usage: pesq_loss.py LOSS_EXAMPLE [CODEC] [SEEDS]

Needs espeak-ng and the python packages pesq and numpy. For each loss rate the mean over all sentences and seeds must
beat silence in the same gaps by the margins below; prints a table, exits 1 if one is missed.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy
import pesq

RATE = 8000
MARGIN = {1: 0.15, 3: 0.30, 5: 0.40}
# What telephones carry: two voices, sentences with all kinds of sounds. PESQ wants 8 to 20 seconds a piece.
SPEECH = {
    "en-us": "Good morning, this is the standing meeting. Please say your name after the tone. "
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.",
    "en-gb+f3": "It is easy to tell the depth of a well. These days a chicken leg is a rare dish. "
    "Rice is often served in round bowls. The juice of lemons makes fine punch.",
}


def speak(voice: str, text: str, wav: pathlib.Path) -> numpy.ndarray:
    subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", wav, text], check=True)
    data = wav.read_bytes()
    rate = int.from_bytes(data[24:28], "little")
    samples = numpy.frombuffer(data[44:], dtype="<i2").astype(float)
    # band-limited to the telephone's by Fourier transform, then at its rate
    spectrum = numpy.fft.rfft(samples)
    length = len(samples) * RATE // rate
    spectrum = spectrum[: length // 2 + 1]
    frequency = numpy.arange(len(spectrum)) * RATE / length
    spectrum[(frequency < 200) | (frequency > 3500)] = 0
    speech = numpy.fft.irfft(spectrum, length)
    return (speech / numpy.abs(speech).max() * 16000).astype("<i2")


def main(example: str, codec: str = "pcmu", seeds: str = "10") -> int:
    scores: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for voice, text in SPEECH.items():
            folder = pathlib.Path(scratch) / voice
            folder.mkdir()
            speech = folder / "speech.raw"
            speech.write_bytes(speak(voice, text, folder / "speech.wav").tobytes())
            subprocess.run([example, speech, folder, codec, seeds], check=True)
            reference = numpy.fromfile(folder / "clean.raw", dtype="<i2")
            for path in folder.glob("*-*-*.raw"):
                kind, percent, _ = path.stem.split("-")
                score = pesq.pesq(RATE, reference, numpy.fromfile(path, dtype="<i2"), "nb")
                scores.setdefault((kind, int(percent)), []).append(score)
    missed = 0
    print(f"{codec}: {len(SPEECH)} voices, {seeds} seeds, PESQ narrow band, mean (worst)")
    for percent, margin in MARGIN.items():
        silence, concealed = scores["silence", percent], scores["concealed", percent]
        gain = numpy.mean(concealed) - numpy.mean(silence)
        missed += gain < margin
        print(
            f"{percent} % lost: silence {numpy.mean(silence):.2f} ({min(silence):.2f}), "
            f"concealed {numpy.mean(concealed):.2f} ({min(concealed):.2f}), "
            f"gain {gain:+.2f}, wanted {margin:+.2f}{'' if gain >= margin else ' MISSED'}"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
