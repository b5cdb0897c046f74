from __future__ import annotations

import pytest

from serialfix.errors import UnsafeStep
from serialfix.playbook.export import Format, export
from serialfix.playbook.load import find_playbook
from tests.playbook.everything import everything


def test_what_a_form_cannot_carry_is_refused_by_name() -> None:
    with pytest.raises(UnsafeStep, match="everything is not whole as reg") as caught:
        export(everything(), "reg")
    message = str(caught.value)
    for step in ("policy", "conditional", "rule", "safe", "dhcp", "admin", "run"):
        assert f"step {step}, " in message
    assert "step see" not in message  # a look changes nothing
    assert "--partial" in caught.value.remedy
    left = {each.step for each in export(everything(), "reg", partial=True).left_out}
    assert "see" in left
    assert "present" not in left


@pytest.mark.parametrize("form", ["reg", "cmd", "ps1", "ansible"])
def test_rdp_reset_is_whole_in_every_form(form: Format) -> None:
    exported = export(find_playbook("rdp-reset").playbook, form)
    text = exported.content.decode("utf-16" if form == "reg" else "utf-8-sig")
    assert not exported.left_out
    for step in find_playbook("rdp-reset").playbook.steps:
        assert step.registry is not None
        assert step.registry.value in text
    assert "LOWERS SECURITY" in text
