#!/usr/bin/env bash
# Repair a simulated VM as a user would repair a real one. Needs `serialfix` on the PATH, and no Azure.
set -euo pipefail

work=$(mktemp -d)
lab=""
cleanup() {
    if [ -n "$lab" ]; then
        kill -INT "$lab" 2>/dev/null || true
        wait "$lab" 2>/dev/null || true
    fi
    rm -rf "$work/lab.env"
}
trap cleanup EXIT
say() { printf '\n$ %s\n' "$*"; "$@"; }

# 1. Azure and a Windows Server 2022 whose RDP listener is misconfigured, on loopback.
#    A background job of a script ignores Ctrl-C, so it is ended by SIGTERM.
serialfix lab >"$work/lab.env" &
lab=$!
until grep -q '^#' "$work/lab.env"; do
    kill -0 "$lab" || { echo "the lab did not start" >&2; exit 1; }
    sleep 0.1
done
source "$work/lab.env" # where Azure is, and who the administrator in the guest is
export SERIALFIX_STATE_DIR="$work/state"

# 2. What a user types.
say serialfix run --vm myvm --playbook rdp-reset --yes

# 3. What the VM holds now, asked of the lab itself.
printf '\nWhat the VM holds now, asked of the lab itself:\n'
serialfix playbook show rdp-reset -o json >"$work/wanted.json"
python - "$(sed -n 's/^# .* curl //p' "$work/lab.env")/myvm" "$work/wanted.json" <<'PYTHON'
import json
import sys
import urllib.request

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the lab is on loopback
vm = json.load(opener.open(sys.argv[1]))
wrong = 0
for step in json.load(open(sys.argv[2], encoding="utf-8"))["steps"]:
    wish = step["registry"]
    values = vm["registry"]["HKEY_LOCAL_MACHINE\\"]
    for part in wish["key"].replace("CurrentControlSet", "ControlSet001").split("\\")[1:]:
        values = values.get(part + "\\", {})
    found = values.get(wish["value"])
    right = found == {"type": wish["type"], "data": wish["data"]}
    wrong += not right
    print(f"  {wish['value']:<34} {found and found['data']!s:<12} {'as wanted' if right else 'WRONG'}")
print(f"  The VM restarted {vm['restarts']} time(s).")
sys.exit(bool(wrong or vm["restarts"] != 1))
PYTHON
printf '\nJournal, recordings and evidence of the run are in %s\n' "$SERIALFIX_STATE_DIR"
