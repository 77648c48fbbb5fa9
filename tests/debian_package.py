"""A package of Debian's, where apt is there and may install."""

from __future__ import annotations

import os
import shutil
import subprocess


def install(package: str) -> None:
    """Try to install a package with apt, as root or by a sudo that asks for nothing."""
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") is None or (root and shutil.which("sudo") is None):
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
        subprocess.run([*root, "apt-get", "-qq", *command], check=False, env=environment, stdout=subprocess.DEVNULL)
