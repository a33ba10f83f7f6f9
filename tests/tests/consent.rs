//! When a sidecar's answer to "quit" is a yes: connections that close, answers that go on, heads that are odd, queues that
//! are full.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    thread,
    time::{Duration, Instant},
};
use wrapper_tests::{Answer, Outcome, Server, own_network, run};

/// A job of no length with the default plugin, whose failure is to be seen.
fn quit(options: &[&str]) -> Outcome {
    run(options.iter().chain(&["--on-hook-failure", "fail", "true"])).outcome()
}

/// Takes one connection, and reads the request.
fn accept(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = [0; 4096];
    assert!(stream.read(&mut request).unwrap() > 0);
    stream
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:15020").unwrap()
}

#[test]
fn a_connection_that_closes_and_a_port_that_is_gone_are_a_yes_at_once() {
    own_network();
    let listener = listen();
    let dying = thread::spawn(move || drop(accept(&listener)));
    let outcome = quit(&[]);
    outcome
        .exits(0)
        .says("localhost:15020 closed the connection without an answer and no longer listens: the sidecar quits");
    outcome.within(Duration::from_millis(500));
    dying.join().unwrap();
}

#[test]
fn a_connection_that_closes_while_the_port_stays_is_no_yes() {
    for answer in [Answer::Close, Answer::Reset] {
        own_network();
        let _crashing = Server::start(15020, answer);
        let outcome = quit(&[]);
        outcome.exits(125).says("localhost:15020 closed the connection without an answer and still listens 1 s later");
        outcome.says("may have crashed over the request: see its log").within(Duration::from_secs(3));
    }
}

#[test]
fn a_server_that_closes_right_after_accepting_has_one_outcome() {
    own_network();
    let listener = listen();
    thread::spawn(move || listener.incoming().for_each(drop));
    for _ in 0..10 {
        quit(&[]).exits(125).says("closed the connection without an answer and still listens 1 s later");
    }
}

#[test]
fn a_server_that_closes_the_first_connections_while_it_starts_is_asked_again() {
    own_network();
    let listener = listen();
    let asked = thread::spawn(move || {
        drop(listener.accept().unwrap());
        drop(listener.accept().unwrap());
        let mut answered = 0;
        for stream in listener.incoming().take(1_000) {
            let (mut stream, mut request) = (stream.unwrap(), [0; 4096]);
            let count = stream.read(&mut request).unwrap_or(0);
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
            if request[..count].starts_with(b"POST /quitquitquit") {
                answered += 1;
                break;
            }
        }
        answered
    });
    quit(&[]).exits(0).says("answered 200").says(": the sidecar quits");
    assert_eq!(asked.join().unwrap(), 1);
}

#[test]
fn a_sidecar_that_shuts_down_while_it_answers_is_heard_out() {
    own_network();
    let listener = listen();
    let slow = thread::spawn(move || {
        let mut stream = accept(&listener);
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
        (0..3).all(|_| {
            thread::sleep(Duration::from_millis(200));
            // After a hang-up the second of these would fail.
            stream.write_all(b"stopping\n").is_ok()
        })
    });
    quit(&[]).exits(0).says("answered 200: the sidecar quits");
    assert!(slow.join().unwrap(), "the hook hung up");

    // And one that does not pause.
    for _ in 0..50 {
        own_network();
        let listener = listen();
        let quick = thread::spawn(move || {
            let mut stream = accept(&listener);
            let lines = ["HTTP/1.0 200 OK\r\n", "Server: quick\r\n\r\n", "one\n", "two\n", "three\n"];
            lines.iter().all(|line| stream.write_all(line.as_bytes()).is_ok())
        });
        quit(&[]).exits(0);
        assert!(quick.join().unwrap(), "the hook hung up");
    }
}

#[test]
fn an_answer_that_never_ends_is_heard_out_for_a_bounded_time() {
    own_network();
    let bytes = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &[b'.'; 400]].concat();
    let _dripping = Server::start(15020, Answer::Drip(Duration::from_millis(50), bytes));
    let outcome = quit(&[]);
    outcome.exits(0).says("answered 200: the sidecar quits").within(Duration::from_millis(12_000));
    assert!(outcome.took > Duration::from_secs(10), "{outcome:#?}");
}

#[test]
fn the_status_line_decides_whatever_the_header_fields_are() {
    let many: String = (0..150).map(|index| format!("x-{index}: y\r\n")).collect();
    let large: String = (0..3_000).map(|index| format!("x-{index}: {:>40}\r\n", "y")).collect();
    for head in [
        "Server : x\r\n",
        "X-Folded: a\r\n b\r\n\tc\r\n",
        "no colon at all\r\n",
        ": no name\r\n",
        "X-\u{fc}: y\r\n",
        "X-Nul: a\0b\r\n",
        "Content-Length: ten\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Transfer-Encoding: gzip\r\n",
        &many,
        &large,
    ] {
        for (status, code) in [("200 OK", 0), ("503 Service Unavailable", 125)] {
            own_network();
            let _server = Server::start(15020, Answer::Bytes(format!("HTTP/1.1 {status}\r\n{head}\r\n").into_bytes()));
            let outcome = quit(&[]);
            outcome.exits(code).says(&format!("answered {}", &status[..3])).within(Duration::from_secs(2));
        }
    }
    own_network();
    let _server = Server::start(15020, Answer::Bytes(b"HTTP/1.1 200 OK\r\n".to_vec()));
    quit(&[]).exits(0).says("answered 200");
    own_network();
    let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nServer : x\r\n\r\n".to_vec();
    let _server = Server::start(15020, Answer::Bytes(interim));
    quit(&[]).exits(0).says("answered 200");
}

#[test]
fn a_port_that_speaks_tls_is_named_as_that() {
    for answer in [
        Answer::status("400 Bad Request", "Client sent an HTTP request to an HTTPS server.\n"),
        Answer::status(
            "400 Bad Request",
            "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>",
        ),
        // An alert: unexpected message.
        Answer::Bytes(b"\x15\x03\x01\x00\x02\x02\x0a".to_vec()),
    ] {
        own_network();
        let _server = Server::start(15020, answer);
        quit(&[]).exits(125).says("it speaks TLS on that port, and a hook speaks plain HTTP");
    }
}

/// A listener that takes no connection, and connections that fill its queue.
fn full() -> (TcpListener, Vec<TcpStream>) {
    let listener = listen();
    // SAFETY: no pointers. The queue is made as short as it can be (listen(2)).
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let address = listener.local_addr().unwrap();
    let fill = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let waiting = std::iter::from_fn(|| fill().ok()).collect();
    (listener, waiting)
}

#[test]
fn a_full_queue_of_connections_is_waited_for_and_is_no_request_that_was_taken() {
    own_network();
    let (_listener, _waiting) = full();
    let outcome = quit(&["--hook-timeout", "2s"]);
    outcome.exits(125).says("accepts no connection: its queue of connections is full").never_says("took the request");
    outcome.within(Duration::from_millis(2_500));

    own_network();
    let (listener, waiting) = full();
    let began = Instant::now();
    let late = thread::spawn(move || {
        // Longer than the five seconds after which it was given up once.
        thread::sleep(Duration::from_secs(6));
        drop(waiting);
        for stream in listener.incoming() {
            let (mut stream, mut request) = (stream.unwrap(), [0; 4096]);
            if stream.read(&mut request).is_ok_and(|count| request[..count].starts_with(b"POST")) {
                return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
        Ok(())
    });
    quit(&[]).exits(0).says("answered 200: the sidecar quits");
    assert!(began.elapsed() < Duration::from_secs(9));
    late.join().unwrap().unwrap();
}
