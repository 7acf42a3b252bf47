//! The `partyline` binary: reads the settings, opens the sockets, starts the loop, and ends in good order.
//!
//! It decides nothing about calls; that is the switch's.

mod applications;
mod banner;
mod certs;
mod config;
mod dns;
mod fetch;
mod http;
mod large_pages;
mod library;
mod metrics;
mod own_address;
mod run_loop;
mod seed_demo;
mod sip_socket;
mod spoken;
mod streams;
mod tls;
mod trunk;
mod turns;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use api::Feeds;
use api::webhook::{OutboxConfig, WebhookConfig, Webhooks};
use clap::{Parser, Subcommand};
use media::{Pages, Plane};
use model::{Account, AccountSid, Timestamp};
use rand::Rng;
use sip::{Advertised, AudioCodec};
use sound::{FetchConfig, Fetcher, SpeakConfig, Speaker};
use store::{Credentials, Store, Writer};
use switch::routing::Routing;
use switch::{Directory, Now, Switch};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use web::{AllowRule, Web, WebConfig};

use crate::applications::Applications;
use crate::config::Config;
use crate::dns::Lookups;
use crate::fetch::Fetches;
use crate::metrics::{Snapshots, Sources};
use crate::run_loop::{Inbox, Input, RunLoop};
use crate::sip_socket::SipSockets;
use crate::streams::Streams;
use crate::turns::Turns;

/// A voice conference bridge: SIP and RTP to phones, Twilio's API to applications.
#[derive(Debug, Parser)]
#[command(name = "partyline", version, after_help = config::help())]
struct Cli {
    /// TOML file with settings; environment variables win over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<CliCommand>,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Run the bridge until SIGTERM or Ctrl-C; the default.
    Serve,
    /// Make a main API key: it may do everything its account may, as the account's token; keys made over the API may not
    /// touch accounts and keys.
    Key {
        /// What it is called in the list of keys.
        #[arg(default_value = "")]
        name: String,
        /// Whose key; the main account's if not given.
        #[arg(long, value_name = "AC…")]
        account: Option<AccountSid>,
    },
    /// Make a certificate for the names that SDKs call, and the private authority that vouches for it.
    Certs {
        /// Names and addresses beside those of the SDKs: bridge.example.com, *.lab.us1.twilio.com, 10.0.0.7.
        names: Vec<String>,
        /// Make a new authority; whoever trusted the old one has to be told.
        #[arg(long)]
        new_ca: bool,
    },
    /// Set up a small contact centre at a bridge that runs: queues by language, a workflow, workers. A second run changes
    /// nothing.
    SeedDemo {
        /// Where the bridge's API is; where the settings say if not given.
        #[arg(long, value_name = "URL")]
        url: Option<web::Url>,
        /// The application that is asked what to do: its /assignment and /events.
        #[arg(long, value_name = "URL", value_parser = application)]
        application: Option<web::Url>,
        /// Where a worker's phone is, such as shyam=sip:shyam@10.0.0.7; client:shyam and client:emma if not given.
        #[arg(long, value_name = "WORKER=ADDRESS", value_parser = contact)]
        contact: Vec<(String, String)>,
    },
}

/// Batches of rows that may wait for the database; past that they are refused, counted and said in the log.
const BATCHES_MAX: usize = 16_384;
/// Audio fetches that may be under way for the switch.
const FETCHES_MAX: usize = 1_024;
/// Requests to applications that may be under way for the switch.
const ASKS_MAX: usize = 16_384;
/// File descriptors kept for everything that is not a leg's audio.
const DESCRIPTORS_WANTED: u64 = 262_144;
/// Days of logs that are kept.
const LOG_FILES_MAX: usize = 14;
/// How a phone rings that says nothing itself, where the document does not say.
const RING_COUNTRY: &str = "us";
/// `region` of new conferences.
const REGION: &str = "us1";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = Config::read(cli.config.as_deref(), std::env::vars_os()).map_err(StartError::from);
    let outcome = match cli.command.unwrap_or(CliCommand::Serve) {
        CliCommand::Serve => {
            large_pages::ask_for_large_pages();
            config.and_then(serve)
        }
        CliCommand::Key { name, account } => config.and_then(|config| make_key(&config, account, name)),
        CliCommand::Certs { names, new_ca } => config.and_then(|config| make_certificate(&config, &names, new_ca)),
        CliCommand::SeedDemo { url, application, contact } => {
            config.and_then(|config| seed_demo(&config, url, application, contact))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("partyline: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Why the bridge did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    #[error("cannot use {path} for data: {error}")]
    Data { path: PathBuf, error: std::io::Error },
    #[error("cannot log into {path}: {error}")]
    Logs { path: PathBuf, error: String },
    #[error("the database: {0}")]
    Store(#[from] store::StoreError),
    #[error(transparent)]
    Seed(#[from] seed_demo::SeedError),
    #[error("the way out to the web: {0}")]
    Web(String),
    #[error("PARTYLINE_TRUSTED_CA names {path}, which cannot be used: {error}")]
    TrustedCa { path: PathBuf, error: String },
    #[error("the audio plane: {0}")]
    Media(std::io::Error),
    #[error("PARTYLINE_RTP_ADDRESS names {address}, which cannot be used here: {error}")]
    MediaAddress { address: std::net::IpAddr, error: std::io::Error },
    #[error("{0}")]
    Sip(std::io::Error),
    #[error("cannot serve on {address}: {error}")]
    Http { address: std::net::SocketAddr, error: std::io::Error },
    #[error(transparent)]
    Certs(#[from] certs::CertsError),
    #[error("cannot serve HTTPS: {0}")]
    Tls(#[from] tls::TlsError),
    #[error("there is no account {0}")]
    NoAccount(AccountSid),
    #[error("{0} has as many keys as it may have")]
    TooManyKeys(AccountSid),
    #[error("the run loop ended by a panic")]
    RunLoop,
    #[error(transparent)]
    AudioLost(#[from] run_loop::AudioLost),
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// `partyline key`, whether or not the bridge runs.
fn make_key(config: &Config, account: Option<AccountSid>, name: String) -> Result<(), StartError> {
    make_private_directory(&config.data)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let path = config.data.join("partyline.db");
        let store = match Store::open(&path).await {
            Err(store::StoreError::InUse { .. }) => Store::open_beside(&path).await?,
            opened => opened?,
        };
        let account = match account {
            Some(sid) => store.account(sid).await?.ok_or(StartError::NoAccount(sid))?.sid,
            None => main_account(&store, config).await?.sid,
        };
        let made = api::make_main_key(&store, account, name, Timestamp::from(SystemTime::now())).await?;
        let (key, secret) = made.ok_or(StartError::TooManyKeys(account))?;
        println!("Account SID   {account}\nKey SID       {}\nSecret        {secret}   (shown this once)", key.sid);
        store.close().await;
        Ok(())
    })
}

/// `partyline certs`
fn make_certificate(config: &Config, names: &[String], new_authority: bool) -> Result<(), StartError> {
    make_private_directory(&config.tls_dir)?;
    let directory = absolute(&config.tls_dir);
    let now = Timestamp::from(SystemTime::now());
    let made = certs::make(&certs::Order { directory: &directory, names, new_authority, now })?;
    print!("{}", certs::report(&made));
    Ok(())
}

/// `partyline seed-demo`
fn seed_demo(
    config: &Config,
    url: Option<web::Url>,
    application: Option<web::Url>,
    contacts: Vec<(String, String)>,
) -> Result<(), StartError> {
    let own =
        format!("http://{}", SocketAddr::new(banner::reachable(config.http_listen.ip()), config.http_listen.port()));
    let base = match url {
        Some(url) => url,
        None => own.parse().map_err(|_| seed_demo::SeedError::Address(own))?,
    };
    // Whoever names a bridge means it.
    let named = base.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<AllowRule>().ok());
    let allow = config.fetch_allow.iter().cloned().chain(named).collect();
    let web = Web::new(&WebConfig { allow, trusted: Vec::new() }).map_err(StartError::Web)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (account_sid, auth_token) = match (config.account_sid, config.auth_token.clone()) {
            (Some(sid), Some(token)) => (sid.to_string(), token),
            // Those that the bridge has made for itself.
            _ => {
                let path = config.data.join("partyline.db");
                let store = match Store::open(&path).await {
                    Err(store::StoreError::InUse { .. }) => Store::open_beside(&path).await?,
                    opened => opened?,
                };
                let account = main_account(&store, config).await?;
                store.close().await;
                (account.sid.to_string(), account.auth_token)
            }
        };
        let seed = seed_demo::Seed { base, account_sid, auth_token, application, contacts };
        for (name, sid) in seed.plant(&web).await? {
            println!("{sid}  {name}");
        }
        Ok(())
    })
}

/// `WORKER=ADDRESS`
fn contact(text: &str) -> Result<(String, String), String> {
    let (worker, address) = text.split_once('=').ok_or("a worker, =, and an address")?;
    let phones = seed_demo::phones();
    if !phones.contains(&worker) {
        return Err(format!("there is no worker {worker}; there are {}", phones.join(" and ")));
    }
    Ok((worker.to_owned(), address.to_owned()))
}

/// Where an application may be.
fn application(text: &str) -> Result<web::Url, String> {
    let url: web::Url = text.parse().map_err(|error| format!("{error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("an application is asked by http or https, not {other}")),
    }
}

fn serve(config: Config) -> Result<(), StartError> {
    make_private_directory(&config.data)?;
    let logs = config.data.join("logs");
    let _flush_logs_at_the_end = start_logging(&logs, &config.log)?;
    raise_descriptor_limit();
    for key in &config.without_effect {
        warn!(key, "this setting is kept for a later version and has no effect");
        eprintln!("partyline: PARTYLINE_{} is kept for a later version and has no effect", key.to_ascii_uppercase());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(bridge(config, &logs));
    // Whatever still runs in the background has nobody left to answer to.
    runtime.shutdown_background();
    outcome
}

/// Starts everything, waits for the end, and puts everything away in the opposite order.
async fn bridge(config: Config, logs: &Path) -> Result<(), StartError> {
    // First of all, so that whoever starts us may also end us in good order from the first moment on.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // Whoever renews certificates sends it to bridges that show none, too: by itself it would end us.
    let hangup = signal(SignalKind::hangup())?;
    let store = Store::open(&config.data.join("partyline.db")).await?;
    let account = main_account(&store, &config).await?;
    let recovered = store.recover(Timestamp::from(SystemTime::now())).await?;
    info!(?recovered, "database opened");
    let feeds = Arc::<Feeds>::default();
    let told = Arc::clone(&feeds);
    let watcher = Box::new(move |rows: &[store::Row]| told.committed(rows));
    let writer = Arc::new(Writer::start_watched(store.clone(), BATCHES_MAX, watcher));

    check_media_addresses(&config)?;
    let plane = Plane::start(media_config(&config)).map_err(StartError::Media)?;
    let trusted = config.trusted_ca.as_deref().map(trusted_authorities).transpose()?.unwrap_or_default();
    let web = WebConfig { allow: config.fetch_allow.clone(), trusted };
    let web = Web::new(&web).map_err(StartError::Web)?;
    let (stream_web, fetcher) = (web.clone(), Fetcher::over(web.clone(), FetchConfig::default()));
    let clock = || Timestamp::from(SystemTime::now());
    let seed = rand::rng().next_u64();
    let webhooks = Webhooks::new(webhook_config(&config), web, store.clone(), Arc::clone(&writer), clock, seed);
    let speaker = speaker(&config).await?;
    let (inbox, inputs) = Inbox::new();
    let (sockets, sip_bound) =
        SipSockets::listen(&config.sip_listen, config.sip_listen_is_default, &inbox).await.map_err(StartError::Sip)?;
    let http = listen(config.http_listen).await?;
    let http_bound = http.local_addr()?;
    let https = match config.https_listen {
        None => {
            tokio::spawn(tls::nothing_to_keep(hangup));
            None
        }
        Some(address) => {
            let certificate = tls::Certificate::open(&config.tls_dir)?;
            tokio::spawn(certificate.clone().keep(hangup));
            Some((listen(address).await?, certificate.server_config()?))
        }
    };
    let https_bound = https.as_ref().map(|(listener, _)| listener.local_addr()).transpose()?;

    let grpc = match config.grpc_listen {
        None => None,
        Some(address) => listen_unasked(address, config.grpc_listen_is_default).await?,
    };
    let grpc_bound = grpc.as_ref().map(tokio::net::TcpListener::local_addr).transpose()?;

    let directory = Directory::load(config.directory.clone(), store.directory().await?)
        .with_inactive(store.inactive_accounts().await?);
    let (rows, buckets) = (store.routing().await?, store.statistics().await?);
    let mut routing = Routing::load(Timestamp::from(SystemTime::now()), rand::rng().next_u64(), rows, buckets);
    for account in store.closed_accounts().await? {
        routing.account_closed(account);
    }
    let switch_config = switch_config(&config, &account, &sip_bound);
    let (bound, known) = (sip_bound.clone(), switch_config.own.clone());
    let read = move || own_address::read(&bound);
    tokio::spawn(own_address::watch(read, own_address::LOOK_EVERY, known, inbox.clone()));
    let switch = Switch::new(switch_config, rand::rng().next_u64(), recovered.seq_max)
        .with_directory(directory)
        .with_routing(routing);
    let now = Now { instant: Instant::now(), wall: Timestamp::from(SystemTime::now()) };
    let switch = switch.with_registrations(now, store.registrations(now.wall).await?);
    let snapshots = Snapshots::new(switch.stats(), switch.sip_stats());
    let saves_failed = Arc::default();
    let applications = Applications::new(outbox_config(&config), webhooks.clone(), store.clone(), inbox.clone());
    let sources = Sources {
        snapshots: snapshots.clone(),
        media: plane.stats().to_vec(),
        sockets: Arc::clone(&sockets.stats),
        writer: Arc::clone(&writer),
        saves_failed: Arc::clone(&saves_failed),
        webhooks,
        outbox: Arc::clone(&applications.outbox),
    };
    let run_loop = RunLoop {
        switch,
        plane,
        sockets,
        writer: Arc::clone(&writer),
        applications,
        streams: Streams::new(stream_web, tokio::runtime::Handle::current(), inbox.clone()),
        fetches: Fetches::new(fetcher, speaker, tokio::runtime::Handle::current(), inbox.clone()),
        lookups: Lookups::new(tokio::runtime::Handle::current(), inbox.clone()),
        drain: config.drain,
        snapshots,
        turns: Turns::default(),
        saves_failed,
        replies: std::collections::HashMap::new(),
        requests: 0,
    };
    let (over, mut is_over) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("switch".to_owned()).spawn(move || {
        let outcome = run_loop.run(&inputs);
        // Nobody waits for this any more if HTTP could not be served.
        let _ = over.send(());
        outcome
    })?;

    let listeners = http::Listeners { http, https, grpc };
    let (store_read, told) = (store.clone(), Arc::clone(&feeds));
    let server = http::Server::start(listeners, api_config(&config), store_read, inbox.clone(), sources, told).await;
    // Absolute, since whoever reads the screen later may be somewhere else.
    let (data, logs) = (absolute(&config.data), absolute(logs));
    let public_url = config.public_url.as_deref();
    let bound = banner::Bound { sip: &sip_bound, http: http_bound, https: https_bound, grpc: grpc_bound };
    println!("{}", banner::banner(&bound, public_url, &account, &data, &logs));
    info!(http = %http_bound, https = ?https_bound, grpc = ?grpc_bound, sip = ?sip_bound, "running");

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        // Nobody asked it to end: whoever watches over us shall start us anew.
        _ = &mut is_over => {}
    }
    server.set_draining().await;
    if inbox.send(Input::Drain).await {
        // The loop ends when the last call has, or at the drain's bound; an error means that it is gone already.
        let _ = is_over.await;
    }
    let outcome = thread.join().map_err(|_| StartError::RunLoop).and_then(|outcome| outcome.map_err(StartError::from));
    // An empty batch is done when everything before it is: whoever follows hears of the last call, and then that it was.
    let flushed = writer.write(Vec::new()).await;
    feeds.close();
    server.stop().await;
    if let Err(error) = flushed.and(writer.write(Vec::new()).await) {
        warn!(%error, "the last rows were not saved");
    }
    store.close().await;
    info!("stopped");
    outcome
}

async fn listen(address: std::net::SocketAddr) -> Result<tokio::net::TcpListener, StartError> {
    tokio::net::TcpListener::bind(address).await.map_err(|error| StartError::Http { address, error })
}

/// The same, where nobody may have asked for it: then it may be somebody else's already, such as another bridge's.
async fn listen_unasked(
    address: std::net::SocketAddr,
    is_default: bool,
) -> Result<Option<tokio::net::TcpListener>, StartError> {
    match listen(address).await {
        Err(StartError::Http { address, error }) if is_default && error.kind() == std::io::ErrorKind::AddrInUse => {
            warn!(%address, "gRPC is not served: its address is taken, and no other is set");
            eprintln!("partyline: gRPC is not served: {address} is taken; PARTYLINE_GRPC_LISTEN may name another");
            Ok(None)
        }
        listening => listening.map(Some),
    }
}

/// What speaks; what there is not is said in the log.
async fn speaker(config: &Config) -> Result<Speaker, StartError> {
    // Where the service is, is the operator's own choice, not an application's.
    let anywhere = |network| AllowRule::Range { network, prefix_len: 0 };
    let allow = vec![anywhere(Ipv4Addr::UNSPECIFIED.into()), anywhere(Ipv6Addr::UNSPECIFIED.into())];
    let web = Web::new(&WebConfig { allow, ..WebConfig::default() }).map_err(StartError::Web)?;
    let speak = SpeakConfig { service: config.speech_url.clone(), ..SpeakConfig::default() };
    let speaker = Speaker::start(speak, web).await;
    for missing in speaker.missing() {
        warn!("{missing}");
    }
    Ok(speaker)
}

fn webhook_config(config: &Config) -> WebhookConfig {
    WebhookConfig {
        asks_max: config.webhooks_max,
        asks_per_host_max: config.webhooks_max / 2,
        timeout: config.webhook_timeout,
        connect_timeout: config.webhook_connect_timeout,
        ..WebhookConfig::default()
    }
}

fn outbox_config(config: &Config) -> OutboxConfig {
    OutboxConfig {
        in_flight_max: config.callbacks_max,
        in_flight_per_host_max: config.callbacks_max / 4,
        ..OutboxConfig::default()
    }
}

/// The certificates of a PEM file.
fn trusted_authorities(path: &Path) -> Result<Vec<Vec<u8>>, StartError> {
    let unusable = |error: String| StartError::TrustedCa { path: path.to_owned(), error };
    let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let authorities = web::authorities(&pem).map_err(unusable)?;
    if authorities.is_empty() { Err(unusable("there is no certificate in it".to_owned())) } else { Ok(authorities) }
}

/// An address that is not ours would refuse every call; better to say so now.
fn check_media_addresses(config: &Config) -> Result<(), StartError> {
    for address in config.rtp_addresses.iter().map(|address| address.bind).filter(|bind| !bind.is_unspecified()) {
        std::net::UdpSocket::bind((address, 0)).map_err(|error| StartError::MediaAddress { address, error })?;
    }
    Ok(())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn make_private_directory(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| StartError::Data { path: path.to_owned(), error })
}

fn start_logging(path: &Path, filter: &str) -> Result<tracing_appender::non_blocking::WorkerGuard, StartError> {
    let failed = |error: String| StartError::Logs { path: path.to_owned(), error };
    make_private_directory(path)?;
    let files = tracing_appender::rolling::Builder::new()
        .rotation(tracing_appender::rolling::Rotation::DAILY)
        .filename_prefix("partyline")
        .filename_suffix("log")
        .max_log_files(LOG_FILES_MAX)
        .build(path)
        .map_err(|error| failed(error.to_string()))?;
    let (writer, guard) = tracing_appender::non_blocking(files);
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_ansi(false)
        .with_writer(writer)
        .init();
    Ok(guard)
}

/// Each leg is a socket or two; the usual limit of 1,024 would end at some 500 calls.
#[allow(unsafe_code)]
fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls read or write the one struct, which outlives them.
    let raised = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && {
            let wanted = libc::rlimit {
                rlim_cur: DESCRIPTORS_WANTED.max(limit.rlim_cur),
                rlim_max: DESCRIPTORS_WANTED.max(limit.rlim_max),
            };
            // Raising the hard limit takes privileges; without them the soft one goes up to it.
            libc::setrlimit(libc::RLIMIT_NOFILE, &wanted) == 0 || {
                limit.rlim_cur = limit.rlim_max;
                libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0
            }
        }
    };
    if !raised {
        warn!(limit = limit.rlim_cur, "the limit of open files could not be raised");
    }
}

/// The main account: the one that is set, or the one of the first start.
async fn main_account(store: &Store, config: &Config) -> Result<Account, StartError> {
    let given = Credentials { sid: config.account_sid, auth_token: config.auth_token.clone() };
    let fresh = || {
        let mut rng = rand::rng();
        let mut bits = || u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        (AccountSid::from_bits(bits()), format!("{:032x}", bits()))
    };
    Ok(store.ensure_account(&given, fresh, Timestamp::from(SystemTime::now())).await?)
}

fn api_config(config: &Config) -> api::Config {
    api::Config { requests_per_s: config.api_rate, public_url: config.public_url.clone(), ..api::Config::default() }
}

fn media_config(config: &Config) -> media::Config {
    media::Config {
        threads: config.media_threads.unwrap_or(media::Config::default().threads),
        ports: config.rtp_ports.clone(),
        room_legs_max: config.room_legs_max,
        rtp_timeout: config.rtp_timeout,
        seed: rand::rng().next_u64(),
        ..media::Config::default()
    }
}

fn switch_config(config: &Config, account: &Account, sip_bound: &[config::SipListen]) -> switch::Config {
    let advertised = config.rtp_addresses.iter().filter_map(|address| {
        let local = (!address.bind.is_unspecified()).then_some(address.bind);
        address.advertised.map(|public| Advertised { local, public })
    });
    switch::Config {
        account: account.sid,
        open_rooms: config.open_rooms,
        calls_max: config.calls_max,
        room_legs_max: config.room_legs_max,
        call_time_limit: std::time::Duration::from_secs(4 * 3600), // rest-voice §14
        held_rtp_timeout: config.held_rtp_timeout,
        drain: config.drain,
        fetches_max: FETCHES_MAX,
        asks_max: ASKS_MAX,
        addresses: config.rtp_addresses.clone(),
        own: own_address::read(sip_bound),
        codecs: vec![
            AudioCodec::Opus,
            AudioCodec::G722,
            AudioCodec::L16 { clock_hz: 16_000 },
            AudioCodec::Pcmu,
            AudioCodec::Pcma,
            AudioCodec::L16 { clock_hz: 8_000 },
        ],
        region: REGION.to_owned(),
        hold_music: Arc::new(Pages::new(&sound::hold_music())),
        beep: Arc::new(Pages::new(&sound::beep())),
        trunks: config.trunks.clone(),
        qualify: config.sip_qualify,
        ring_back: media::Tones::default().ring(RING_COUNTRY).unwrap_or_else(|| Arc::new(Pages::new(&sound::beep()))),
        sip: sip::Config {
            server: format!("Partyline/{}", env!("CARGO_PKG_VERSION")),
            advertised: advertised.collect(),
            listening: sip_bound.iter().map(|listen| (listen.transport, listen.address)).collect(),
            dialogs_max: config.calls_max + DIALOGS_BEYOND_CALLS,
            unacked_max: UNACKED_MAX,
            algorithms: config.sip_digest.clone(),
            limits: config.sip_limits.clone(),
            ..sip::Config::default()
        },
    }
}

/// Answered calls whose ACK is awaited; one more INVITE is answered 503. An ACK takes a round trip, so this is
/// thousands of calls a second; each holds a leg until it is given up, so a flood shall not have more.
const UNACKED_MAX: usize = 1_024;

/// Dialogs that are being refused or are waiting for the end of their BYE while all calls are taken.
const DIALOGS_BEYOND_CALLS: usize = 1_024;
