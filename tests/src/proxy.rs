//! Proxies as they are used, with the configurations that the documentation shows.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

use std::{
    env, fs,
    io::ErrorKind,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `docs/proxies/nginx.conf`.
    Nginx,
    /// `docs/proxies/haproxy.cfg`.
    HaProxy,
}

/// A proxy in front of two nodes. It is ended when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    process: Child,
    plain: SocketAddr,
    tls: SocketAddr,
    certificate: CertificateDer<'static>,
    #[expect(dead_code, reason = "held for its drop")]
    folder: TempDir,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Nginx, Self::HaProxy];

    /// Starts it in front of these nodes, and waits until it serves.
    pub fn before(self, nodes: [SocketAddr; 2]) -> Proxy {
        self.with(nodes, &[])
    }

    /// Starts it with these replacements in its documented configuration.
    pub fn with(self, nodes: [SocketAddr; 2], edits: &[(&str, &str)]) -> Proxy {
        let (plain, tls) = (free_addr(), free_addr());
        let folder = tempfile::tempdir().unwrap();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (cert.pem(), signing_key.serialize_pem());
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };

        let mut configuration = self.documented();
        let mut replace = |what: &str, with: &str| {
            assert!(
                configuration.contains(what),
                "{self:?}: no {what:?} in its configuration"
            );
            configuration = configuration.replace(what, with);
        };
        for (what, with) in edits {
            replace(what, with);
        }
        let [one, two] = nodes.map(|node| node.to_string());
        replace("10.0.0.1:8080", &one);
        replace("10.0.0.2:8080", &two);
        // What follows is asked for by machines that serve thousands, and not given to everybody.
        match self {
            Self::Nginx => {
                replace("listen 80;", &format!("listen {plain};"));
                replace("listen 443 ", &format!("listen {tls} "));
                replace("/etc/ssl/site.pem", &put("site.pem", &certificate));
                replace("/etc/ssl/site.key", &put("site.key", &key));
                replace("worker_rlimit_nofile 65536;", "");
                replace("worker_connections 32768;", "worker_connections 512;");
                replace(
                    "http {",
                    &format!("http {{ access_log off; {}", temp_paths(folder.path())),
                );
            }
            Self::HaProxy => {
                replace("bind :80\n", &format!("bind {plain}\n"));
                replace("bind :443 ", &format!("bind {tls} "));
                let both = put("site-and-key.pem", &(certificate + &key));
                replace("/etc/ssl/site-and-key.pem", &both);
                replace("maxconn 30000", "maxconn 500");
            }
        }

        let file = put("configuration", &configuration);
        let process = self.command(&file, folder.path()).stdin(Stdio::null()).spawn();
        let process = process.unwrap_or_else(|error| match error.kind() {
            ErrorKind::NotFound => panic!("{} is not installed; ./ci.sh installs it", self.program()),
            _ => panic!("{}: {error}", self.program()),
        });
        let mut proxy = Proxy {
            process,
            plain,
            tls,
            certificate: cert.der().clone(),
            folder,
        };
        proxy.wait();
        proxy
    }

    fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
        }
    }

    fn documented(self) -> String {
        let name = match self {
            Self::Nginx => "nginx.conf",
            Self::HaProxy => "haproxy.cfg",
        };
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs/proxies")
            .join(name);
        fs::read_to_string(path).unwrap()
    }

    /// In the foreground; what it has to say goes where the test's errors go.
    fn command(self, file: &str, folder: &Path) -> Command {
        let mut command = Command::new(self.program());
        // Debian puts them where only root looks.
        let path = env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"));
        match self {
            Self::Nginx => {
                let pid = folder.join("pid");
                let globals = format!("daemon off; error_log stderr error; pid {};", pid.display());
                command
                    .arg("-p")
                    .arg(folder)
                    .args(["-c", file, "-e", "stderr", "-g", &globals]);
            }
            Self::HaProxy => {
                command.args(["-db", "-q", "-f", file]);
            }
        }
        command
    }
}

/// Where nginx may write, whoever runs the tests.
fn temp_paths(folder: &Path) -> String {
    ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};", folder.join(kind).display()))
        .concat()
}

fn free_addr() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}

impl Proxy {
    /// Where it speaks HTTP/1.1.
    pub fn addr(&self) -> SocketAddr {
        self.plain
    }

    /// Where it speaks TLS, as `localhost`.
    pub fn tls_addr(&self) -> SocketAddr {
        self.tls
    }

    /// The certificate of it.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    fn wait(&mut self) {
        let began = Instant::now();
        while TcpStream::connect(self.plain).is_err() || TcpStream::connect(self.tls).is_err() {
            let ended = self.process.try_wait().unwrap();
            assert_eq!(ended, None, "the proxy does not run; it has said why");
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "the proxy does not start"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // A killed nginx would leave its workers behind; told to end, it ends them.
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let _ = kill_process(id.expect("it has an id"), Signal::TERM);
        let _ = self.process.wait();
    }
}
