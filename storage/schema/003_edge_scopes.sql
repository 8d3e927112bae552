-- An edge device has a scope of its own, and may be below another one (REG-10).
ALTER TABLE device ADD COLUMN parent_scope TEXT NOT NULL DEFAULT '';
UPDATE device SET device_scope = 'ms-azure-iot-edge://' || id || '-' || generation_id
  WHERE iot_edge = 1 AND module = '';

-- When a message was made is an application property like any other, the last one (H-81). Lengths are
-- four bytes, little-endian (storage/property_codec.hpp); a time has less than 128.
UPDATE message SET properties = CAST(properties || x'18000000' || 'iothub-creation-time-utc' ||
    char(length(creation_time_utc)) || x'000000' || creation_time_utc AS BLOB)
  WHERE length(creation_time_utc) BETWEEN 1 AND 127;
UPDATE event SET properties = CAST(properties || x'18000000' || 'iothub-creation-time-utc' ||
    char(length(creation_time_utc)) || x'000000' || creation_time_utc AS BLOB)
  WHERE length(creation_time_utc) BETWEEN 1 AND 127;
ALTER TABLE message DROP COLUMN creation_time_utc;
ALTER TABLE event DROP COLUMN creation_time_utc;
