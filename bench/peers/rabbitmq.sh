export HOME=$work/peer/rabbitmq RABBITMQ_NODENAME=perf@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_DIST_PORT=45673
export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=45674 RABBITMQ_CONFIG_FILE=$work/peer/rabbitmq
export RABBITMQ_MNESIA_BASE=$work/peer/rabbitmq/db RABBITMQ_LOG_BASE=$work/peer/rabbitmq/log RABBITMQ_ENABLED_PLUGINS_FILE=$work/peer/rabbitmq.plugins
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
epmd -port 45674 -address 127.0.0.1 &  # a child, so that it ends with the peer; else Erlang leaves a daemon behind
exec /usr/lib/rabbitmq/bin/rabbitmq-server
