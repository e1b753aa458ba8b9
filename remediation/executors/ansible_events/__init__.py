"""A callback plugin; Ansible loads it from this directory, and nothing else imports it."""
