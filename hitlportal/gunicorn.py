"""Settings of the web process: `gunicorn hitlportal.wsgi --config python:hitlportal.gunicorn`.

`--bind` and the log options stay on the command line. Time limits of requests that are on their
way are in `hitlportal/whole_requests.py`.
"""

from __future__ import annotations

worker_class = "hitlportal.whole_requests.WholeRequests"
workers = 2
# A thread is held only while the portal works on a whole request, and while its answer is sent.
# Each holds one connection to the database, so do not raise this without `max_connections`.
threads = 12
worker_connections = 800  # below the 1024 files that systemd allows a process
keepalive = 5
# A worker whose loop stands still for so long is killed and replaced.
timeout = 60
graceful_timeout = 20  # less than TimeoutStopSec= in the unit
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
# A control socket would let every process of this account change the server.
control_socket_disable = True
