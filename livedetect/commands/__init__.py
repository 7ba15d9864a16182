"""The commands of ``livedetect``, a file each; what they need is imported when they run."""
