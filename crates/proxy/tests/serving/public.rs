//! Public tunnels: visitors on one side, on the other an agent that plays a
//! worker and what its tunnels lead to. What is asserted is what follows from
//! what, never how long it took.

mod access;
mod bodies;
mod hangups;
mod heads;
mod names;
mod stage;
mod strangers;
mod websockets;
