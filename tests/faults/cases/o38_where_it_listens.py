"""A service listens on loopback unless it is told otherwise, and then says so."""

from __future__ import annotations

from harness import Trial, case
from harness.processes import tcp_listeners

LOOPBACK = "127.0.0.1"
WIDE = "0.0.0.0"
WARNING = "other machines can reach"


@case("O38", "default bind: 127.0.0.1 only; the wide one prints one warning line")
async def listen(trial: Trial) -> None:
    for arguments, wanted in (((), LOOPBACK), ((f"--host={WIDE}",), WIDE), (("--host=::1",), "::1")):
        async with trial.serve("Web", "--port=0", *arguments) as served:
            status = await served.wait_ready()
            web = status.find_service("Web")
            assert web is not None
            port = int(str(web.http_url).rsplit(":", 1)[1])
            found = {address for address, listened in tcp_listeners() if listened == port}
            output = served.output
        trial.see(f"{arguments or 'default'}: {', '.join(sorted(found))}")
        trial.expect(found == {wanted}, f"{arguments}: it listens on {sorted(found)} instead of {wanted}")
        warnings = [line for line in output.splitlines() if WARNING in line]
        expected = 1 if wanted == WIDE else 0
        trial.expect(len(warnings) == expected, f"{arguments}: {len(warnings)} warnings: {warnings}")
        if warnings:
            trial.see(warnings[0])
            trial.expect(
                WIDE in warnings[0] and "Web" in warnings[0], f"the warning does not say what: {warnings}"
            )
