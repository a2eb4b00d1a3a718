//! Tries the Debian package as a user would: installs it, starts netmend as its unit says, stops, removes and
//! purges it. All of it happens in a copy of this machine's files that is thrown away (an overlay in a mount
//! namespace) with a network of its own: the machine is not touched. systemd itself does not run there; what it
//! would do is done by hand.

use std::path::Path;

use crate::command;

/// What is done, as root in the copy. `$1` is the package. Each step says what it looks at when it fails.
const STEPS: &str = r#"
fail() { echo "package: $*" >&2; exit 1; }
unit=/lib/systemd/system/netmend.service
config=/etc/netmend/netmend.yaml

dpkg -i "$1" || fail "it cannot be installed"
[ "$(netmend --version | cut -d' ' -f1)" = netmend ] || fail "the binary does not run"
getent passwd netmend >/dev/null || fail "there is no user netmend"
[ -f "$unit" ] || unit=/usr$unit
[ -f "$unit" ] || fail "there is no unit"
# Images of containers leave manual pages out when they install: the archive says what there is.
dpkg -c "$1" | grep 'man1/netmend-run.1' >/dev/null || fail "there is no manual page"
[ -s /usr/share/bash-completion/completions/netmend ] || fail "there are no completions"
netmend check "$config" || fail "the configuration is wrong"
setpriv --reuid netmend --regid netmend --clear-groups cat "$config" >/dev/null || fail "netmend cannot read $config"
setpriv --reuid nobody --regid nogroup --clear-groups cat "$config" 2>/dev/null && fail "anybody can read $config"

# What the unit says: the command, the user, the one capability, and the state folder.
start=$(sed -n 's/^ExecStart=//p' "$unit")
grep -q '^User=netmend$' "$unit" && grep -q '^AmbientCapabilities=CAP_NET_RAW$' "$unit" || fail "the unit has changed"
install -d -o netmend -g netmend -m 0700 /var/lib/netmend
mkfifo /tmp/netmend.log && chmod 666 /tmp/netmend.log
STATE_DIRECTORY=/var/lib/netmend setpriv --reuid netmend --regid netmend --clear-groups \
    --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw --bounding-set=-all,+net_raw --no-new-privs \
    $start 2>/tmp/netmend.log &
pid=$!
while read -r line; do
    echo "$line"
    case "$line" in *"pages are served"*) break ;; esac
done < /tmp/netmend.log
cat /tmp/netmend.log >/dev/null &
python3 - <<'PYTHON' || fail "netmend is not well"
import json, urllib.request
health = json.load(urllib.request.urlopen("http://127.0.0.1:8420/healthz", timeout=10))
assert health["status"] == "ok", health
PYTHON
grep -q 'CapEff:.*0000000000002000$' "/proc/$pid/status" || fail "it has other capabilities than CAP_NET_RAW"
setpriv --reuid netmend --regid netmend --clear-groups env STATE_DIRECTORY=/var/lib/netmend netmend reload || fail "it does not reload"
kill -TERM "$pid"
wait "$pid" || fail "it did not stop well"

dpkg -r netmend || fail "it cannot be removed"
[ -e /usr/bin/netmend ] && fail "the binary is still there"
[ -s "$config" ] && [ -d /var/lib/netmend ] || fail "removing took the configuration or the data"
dpkg -P netmend || fail "it cannot be purged"
[ -e /etc/netmend ] || [ -e /var/lib/netmend ] && fail "something is still there"
echo "package: installed, started, stopped, removed and purged"
"#;

/// The copy: everything below `/` to read, and a folder in memory for what is written.
const COPY: &str = r#"
set -e
mount -t tmpfs tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$2/upper,workdir=$2/work" "$2/root"
mount -t proc proc "$2/root/proc"
mount --bind /dev "$2/root/dev"
mount -t tmpfs tmpfs "$2/root/tmp"
ip link set lo up
cp "$1" "$2/root/tmp/netmend.deb"
exec chroot "$2/root" bash -u -c "$3" steps /tmp/netmend.deb
"#;

/// Installs, starts, stops, removes and purges the package.
pub(crate) fn check(package: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|why| format!("a folder for the copy: {why}"))?;
    let (package, folder) = (package.display().to_string(), folder.path().display().to_string());
    let own = ["--mount", "--pid", "--fork", "--net", "--kill-child"];
    let line = [&own[..], &["bash", "-c", COPY, "copy", &package, &folder, STEPS]].concat();
    command::run_quiet("unshare", &line, &format!("try {package} in a copy of this machine"))
}
