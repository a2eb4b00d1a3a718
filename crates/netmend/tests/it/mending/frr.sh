# Two routers of FRRouting in network namespaces, r1 with sshd and a local rsyslog, beside what is run in the
# end. All of it is in namespaces of its own (mount, PID, network) and ends with this script.
#
# $1 is the folder with the configurations; the rest is the command to run beside the routers.
set -e
folder=$1; shift
mount --make-rprivate /
# A /dev of our own, for the socket that FRR logs to.
mkdir "$folder/dev"
mount -t tmpfs none "$folder/dev"
node() { mknod -m 666 "$folder/dev/$1" c "$2" "$3"; }
node null 1 3; node zero 1 5; node random 1 8; node urandom 1 9; node tty 5 0
mkdir "$folder/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$folder/dev/pts"
ln -s pts/ptmx "$folder/dev/ptmx"
ln -s /proc/self/fd "$folder/dev/fd"
mount --move "$folder/dev" /dev
mount -t tmpfs none /run
mount -t tmpfs none /var/tmp
mkdir -p /run/sshd /run/netns /run/frr/r2
chown -R frr:frr /run/frr
mount -t proc proc /proc
ip link set lo up
for router in r1 r2; do
  ip netns add $router
  ip -n $router link set lo up
done
# 192.0.2.0/24 to manage r1; 198.51.100.0/24 between the routers; 203.0.113.1 behind r2, known to r1 by BGP alone.
ip link add mgmt type veth peer name mgmt netns r1
ip addr add 192.0.2.1/24 dev mgmt; ip link set mgmt up
ip -n r1 addr add 192.0.2.2/24 dev mgmt; ip -n r1 link set mgmt up
ip -n r1 link add core type veth peer name core netns r2
ip -n r1 addr add 198.51.100.1/24 dev core; ip -n r1 link set core up
ip -n r2 addr add 198.51.100.2/24 dev core; ip -n r2 link set core up
ip route add 203.0.113.0/24 via 192.0.2.2
ip -n r2 addr add 203.0.113.1/32 dev lo
ip -n r2 route add 192.0.2.0/24 via 198.51.100.1
ip netns exec r1 sysctl -qw net.ipv4.ip_forward=1
# r1 logs from its own address.
ip netns exec r1 rsyslogd -i /run/rsyslog.pid -f "$folder/rsyslog.conf"
for daemon in zebra bgpd; do
  ip netns exec r1 /usr/lib/frr/$daemon -d -i /run/frr/$daemon.pid -u frr -g frr -f "$folder/r1.conf" -A 127.0.0.1
  ip netns exec r2 /usr/lib/frr/$daemon -d -N r2 -i /run/frr/r2/$daemon.pid -u frr -g frr -f "$folder/r2.conf" -A 127.0.0.1
done
ip netns exec r1 /usr/sbin/sshd -f "$folder/sshd.conf"
# What r2 is told comes through a pipe: each line is a command for its vtysh.
while read -r line; do vtysh -N r2 -c 'configure terminal' -c 'router bgp 65002' -c 'address-family ipv4 unicast' -c "$line"; done < "$folder/r2" > /dev/null 2>&1 &
exec "$@"
