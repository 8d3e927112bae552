"""The official SDK for Python: a message from azure-iot-hub over AMQP to azure-iot-device over MQTT.

tutorial.py HUB_CONNECTION_STRING     prints what the device received
"""
import sys
import threading

from azure.iot.device import IoTHubDeviceClient
from azure.iot.hub import IoTHubRegistryManager

hub = sys.argv[1]
host = hub.split(";")[0]
service = IoTHubRegistryManager.from_connection_string(hub)
key = service.create_device_with_sas("python", "", "", "enabled").authentication.symmetric_key.primary_key

device = IoTHubDeviceClient.create_from_connection_string(f"{host};DeviceId=python;SharedAccessKey={key}")
received = threading.Event()


def on_message(message):
    print(f"received {message.message_id} {message.data.decode()} {message.custom_properties['level']}", flush=True)
    received.set()


device.connect()
device.on_message_received = on_message  # returns when the hub has answered the SUBSCRIBE
device.send_message("telemetry")
service.send_c2d_message("python", "from Python", {"messageId": "m1", "level": "storm"})
assert received.wait(20), "the message did not come"
device.shutdown()
