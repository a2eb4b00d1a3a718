//! Many simulated devices in one process, for `cargo xtask bench mend`: it takes orders on standard input, a line
//! each, and answers each with a line. Events are numbered: one device after the other, and then the next
//! interface of each.
//!
//! usage: devices COUNT INTERFACES `LATENCY_MS`
//!
//! `hosts`: the public keys, separated by commas. `break FROM TO`: the interfaces of these events go down.
//! `tell ADDRESS FROM TO`: each device says so there, from its own address. `first ADDRESS FROM TO`: the same one
//! after the other, each with the time until the first command is typed, in ms. `logins`: how many there were.

use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use netmend_lab::{Device, DeviceOptions, Dialect};
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep};

/// Addresses of the devices: from this one on, on this port.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 27, 0, 1);
const PORT: u16 = 27_022;
/// What is waited for comes within this.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(1);
/// Time for whoever repaired something to be done with it.
const CALM: Duration = Duration::from_millis(100);

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nobody may be there to read it.
            let _ = writeln!(std::io::stderr(), "devices: {why}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Failure> {
    let given: Vec<u64> =
        std::env::args().skip(1).map(|argument| argument.parse()).collect::<Result<_, _>>()?;
    let [count, interfaces, latency] = given[..] else {
        return Err("give COUNT INTERFACES LATENCY_MS".into());
    };
    let mut devices = Devices::start(count as usize, interfaces as usize, latency)?;
    for order in std::io::stdin().lock().lines() {
        let answer = devices.take(&order?)?;
        writeln!(std::io::stdout(), "{answer}")?;
    }
    Ok(())
}

struct Devices {
    all: Vec<Device>,
    runtime: Runtime,
    /// Where they speak to, and the way of each.
    ways: Option<(SocketAddr, Vec<TcpStream>)>,
}

impl Devices {
    fn start(count: usize, interfaces: usize, latency: u64) -> Result<Self, Failure> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut all = Vec::with_capacity(count);
        for number in 0..count {
            let mut options = DeviceOptions::new(name(number), Dialect::Ios);
            options.latency = Duration::from_millis(latency);
            options.interfaces = (0..interfaces).map(interface).collect();
            let device = Device::new(options)?;
            let listener = TcpListener::bind((address(number), PORT))?;
            listener.set_nonblocking(true)?;
            let served = device.clone();
            runtime.spawn(async move {
                served.listen(tokio::net::TcpListener::from_std(listener)?).await
            });
            all.push(device);
        }
        Ok(Self { all, runtime, ways: None })
    }

    fn take(&mut self, order: &str) -> Result<String, Failure> {
        let words: Vec<&str> = order.split_whitespace().collect();
        Ok(match words[..] {
            ["hosts"] => {
                let keys: Vec<String> = self.all.iter().map(Device::public_key).collect();
                keys.join(",")
            }
            ["logins"] => self.all.iter().map(Device::logins).sum::<usize>().to_string(),
            ["break", from, to] => {
                for event in from.parse()?..to.parse()? {
                    self.take_down(event);
                }
                "ok".to_owned()
            }
            ["tell", to, from, until] => {
                self.connect(to.parse()?)?;
                for event in from.parse()?..until.parse()? {
                    self.tell(event)?;
                }
                "ok".to_owned()
            }
            ["first", to, from, until] => {
                self.connect(to.parse()?)?;
                let mut took = Vec::new();
                for event in from.parse()?..until.parse()? {
                    took.push(format!("{:.3}", self.first(event)?));
                }
                took.join(" ")
            }
            _ => return Err(format!("no order: {order}").into()),
        })
    }

    /// The device and the interface of an event.
    fn place(&self, event: usize) -> (usize, String) {
        (event % self.all.len(), interface(event / self.all.len()))
    }

    fn take_down(&self, event: usize) {
        let (device, interface) = self.place(event);
        self.all[device].break_interface(&interface);
    }

    fn connect(&mut self, to: SocketAddr) -> Result<(), Failure> {
        if self.ways.as_ref().is_some_and(|(there, _)| *there == to) {
            return Ok(());
        }
        let mut ways = Vec::with_capacity(self.all.len());
        for number in 0..self.all.len() {
            let connecting = async {
                let socket = tokio::net::TcpSocket::new_v4()?;
                socket.bind((address(number), 0).into())?;
                socket.connect(to).await?.into_std()
            };
            let stream = self.runtime.block_on(connecting)?;
            stream.set_nonblocking(false)?;
            stream.set_nodelay(true)?;
            ways.push(stream);
        }
        self.ways = Some((to, ways));
        Ok(())
    }

    fn tell(&mut self, event: usize) -> Result<(), Failure> {
        let (device, interface) = self.place(event);
        let line = format!(
            "<187>7: {}: %LINK-3-UPDOWN: Interface {interface}, changed state to down\n",
            name(device)
        );
        let (_, ways) = self.ways.as_mut().ok_or("nobody listens")?;
        Ok(ways[device].write_all(line.as_bytes())?)
    }

    /// Breaks, tells, and waits for the first command and the repair.
    fn first(&mut self, event: usize) -> Result<f64, Failure> {
        self.take_down(event);
        let (device, interface) = self.place(event);
        let start = Instant::now();
        self.tell(event)?;
        let device = self.all[device].clone();
        let waiting = async {
            let (at, command) = loop {
                if let Some(found) = device.next_command(start) {
                    break found;
                }
                sleep(LOOK).await;
            };
            while device.is_up(&interface) != Some(true) {
                sleep(LOOK).await;
            }
            sleep(CALM).await;
            (at, command)
        };
        let waiting = async { tokio::time::timeout(PATIENCE, waiting).await };
        let (at, command) = self.runtime.block_on(waiting).map_err(|_| "nobody came to repair")?;
        if !command.ends_with(&interface) {
            return Err(format!("`{command}` was typed for {interface}").into());
        }
        Ok(at.duration_since(start).as_secs_f64() * 1e3)
    }
}

fn name(number: usize) -> String {
    format!("sim{}", number + 1)
}

fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(FIRST).wrapping_add(number as u32))
}

fn interface(number: usize) -> String {
    format!("GigabitEthernet{}/{}", number / 48, number % 48 + 1)
}
