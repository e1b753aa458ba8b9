#!/bin/sh
# Users and permissions in RabbitMQ, for a virtual host of its own. Sessions and counters still need Valkey
# or Redis (HITL_CACHE_URL). Reads each password from /etc/hitlportal/credentials/rabbitmq/<user>.
# HITL_BROKER_URL is then amqp://hitl_<process>:<password>@broker.example:5672/hitlportal
set -eu
queues='^((execute|assess|sweep|live)\.(production|staging|development)|(sweep|record)\.all)$'
none='^$'
rabbitmqctl add_vhost hitlportal
for process in web worker beat owner; do
  user=hitl_$process
  rabbitmqctl add_user "$user" < "/etc/hitlportal/credentials/rabbitmq/$user"
  case $process in
    owner) rabbitmqctl set_permissions -p hitlportal "$user" "$none" "$none" "$none" ;;
    # configure: declare its queues and exchanges; write: send; read: receive, and bind a queue.
    *) rabbitmqctl set_permissions -p hitlportal "$user" "$queues" "$queues" "$queues" ;;
  esac
done
