"""What is wrong with a setting, in words that may be logged; the modules beside this one find out."""

from dataclasses import dataclass


class RefusedError(ValueError):
    """A value that cannot be used: the reason, and what to write instead."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


@dataclass(frozen=True)
class BadSetting:
    """One setting that cannot be used, in words that may be logged: no password is in them."""

    name: str
    value_shown: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}={self.value_shown}\n    {self.reason}\n    -> {self.remedy}"


class SettingsError(Exception):
    """All that is wrong with the settings."""

    def __init__(self, problems: list[BadSetting]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        count = "1 setting" if len(self.problems) == 1 else f"{len(self.problems)} settings"
        return "\n  ".join([f"{count} cannot be used:", *map(str, self.problems)])
