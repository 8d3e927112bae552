-- A module is an identity below its device: `module` is its id, '' the device itself (MOD-11).
-- It has an MQTT session like a device, but no queue. SQLite cannot widen a primary key, so the
-- three tables are written anew.

CREATE TABLE new_device (
  id TEXT NOT NULL,
  module TEXT NOT NULL,
  managed_by TEXT NOT NULL,
  generation_id TEXT NOT NULL,
  etag TEXT NOT NULL,
  status INTEGER NOT NULL,
  status_reason TEXT NOT NULL,
  status_updated_time INTEGER,
  authentication_type INTEGER NOT NULL,
  primary_key TEXT NOT NULL,
  secondary_key TEXT NOT NULL,
  primary_thumbprint TEXT NOT NULL,
  secondary_thumbprint TEXT NOT NULL,
  iot_edge INTEGER NOT NULL,
  device_scope TEXT NOT NULL,
  created_time INTEGER NOT NULL,
  PRIMARY KEY (id, module)
) STRICT, WITHOUT ROWID;

INSERT INTO new_device
  SELECT id, '', '', generation_id, etag, status, status_reason, status_updated_time,
         authentication_type, primary_key, secondary_key, primary_thumbprint,
         secondary_thumbprint, iot_edge, device_scope, created_time
  FROM device;
DROP TABLE device;
ALTER TABLE new_device RENAME TO device;

CREATE TABLE new_mqtt_session (
  device TEXT NOT NULL,
  module TEXT NOT NULL,
  PRIMARY KEY (device, module)
) STRICT, WITHOUT ROWID;

INSERT INTO new_mqtt_session SELECT device, '' FROM mqtt_session;
DROP TABLE mqtt_session;
ALTER TABLE new_mqtt_session RENAME TO mqtt_session;

CREATE TABLE new_mqtt_subscription (
  device TEXT NOT NULL,
  module TEXT NOT NULL,
  position INTEGER NOT NULL,
  filter BLOB NOT NULL,
  qos INTEGER NOT NULL,
  first_sequence INTEGER NOT NULL,
  PRIMARY KEY (device, module, position)
) STRICT, WITHOUT ROWID;

INSERT INTO new_mqtt_subscription
  SELECT device, '', position, filter, qos, first_sequence FROM mqtt_subscription;
DROP TABLE mqtt_subscription;
ALTER TABLE new_mqtt_subscription RENAME TO mqtt_subscription;
