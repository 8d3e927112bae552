#pragma once
// Proton's types by name only, so that its headers stay in .cpp files.
struct pn_connection_driver_t;
struct pn_connection_t;
struct pn_delivery_t;
struct pn_event_t;
struct pn_link_t;
struct pn_session_t;
struct pn_transport_t;
