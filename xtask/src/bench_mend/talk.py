"""The way of the talk "Netops Coding 201": rows of a database, a pool of threads, a script with paramiko.

Reads events as lines `ADDRESS PORT INTERFACE`, makes rows of them, and works on the rows. Prints one JSON object.
usage: talk.py SOCKET SERVER WORKERS USER PASSWORD < EVENTS; SERVER is the process id of the database
"""

import json
import os
import resource
import sys
import threading
import time

import paramiko
import pymysql

SOCKET, SERVER, WORKERS, USER, PASSWORD = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]


def connect():
    return pymysql.connect(unix_socket=SOCKET, user="root", database="netfbar", autocommit=False)


def load():
    """Makes rows of the events."""
    db = pymysql.connect(unix_socket=SOCKET, user="root", autocommit=True)
    with db.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS netfbar")
        cursor.execute("CREATE DATABASE netfbar")
        cursor.execute(
            "CREATE TABLE netfbar.events (id INT AUTO_INCREMENT PRIMARY KEY, address VARCHAR(64), port INT,"
            " interface VARCHAR(64), state VARCHAR(16), worker VARCHAR(64), result TEXT, INDEX (state, id))"
        )
        rows = [line.split() for line in sys.stdin]
        cursor.executemany(
            "INSERT INTO netfbar.events (address, port, interface, state) VALUES (%s, %s, %s, 'QUEUED')", rows
        )
    db.close()
    return len(rows)


def until(channel, end):
    """What a device prints until its prompt."""
    text = ""
    while not text.endswith(end):
        data = channel.recv(65536)
        if not data:
            raise EOFError("the device hung up")
        text += data.decode()
    return text


def remediate(address, port, interface):
    """Logs in, looks, repairs, looks again."""
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(address, port, USER, PASSWORD, look_for_keys=False, allow_agent=False)
    try:
        channel = client.invoke_shell(width=511)
        prompt = until(channel, "#").splitlines()[-1]

        def ask(command):
            channel.send(command + "\n")
            return until(channel, prompt)

        ask("terminal length 0")
        if "is down" not in ask("show interfaces " + interface):
            return "NOT NEEDED"
        ask("clear interface " + interface)
        return "SUCCESS" if "is up" in ask("show interfaces " + interface) else "FAILURE"
    finally:
        client.close()


def work():
    """Takes events until there are none."""
    db = connect()
    while True:
        with db.cursor() as cursor:
            cursor.execute(
                "SELECT id, address, port, interface FROM events WHERE state = 'QUEUED'"
                " ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
            )
            row = cursor.fetchone()
            if row is None:
                return
            worker = threading.current_thread().name
            cursor.execute("UPDATE events SET state = 'RUNNING', worker = %s WHERE id = %s", (worker, row[0]))
        db.commit()
        try:
            state, result = remediate(*row[1:]), ""
        except Exception as why:
            state, result = "FAILURE", repr(why)
        with db.cursor() as cursor:
            cursor.execute("UPDATE events SET state = %s, result = %s WHERE id = %s", (state, result, row[0]))
        db.commit()


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rows_cpu():
    """What the database has used so far."""
    with open(f"/proc/{SERVER}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


events = load()
before, rows_before, start = cpu(), rows_cpu(), time.monotonic()
threads = [threading.Thread(target=work, name=f"worker {number + 1}") for number in range(WORKERS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
seconds, used, rows_used = time.monotonic() - start, cpu() - before, rows_cpu() - rows_before
db = connect()
with db.cursor() as cursor:
    cursor.execute("SELECT state, count(*), min(result) FROM events GROUP BY state")
    found = {state: [count, result] for state, count, result in cursor.fetchall()}
print(
    json.dumps(
        {
            "events": events,
            "seconds": seconds,
            "cpu_s": used,
            "rows_cpu_s": rows_used,
            "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "repaired": found.get("SUCCESS", [0])[0],
            "states": found,
        }
    )
)
