//! The binary as its users meet it: started as a process, asked over HTTP, killed, and started again.

#![cfg(test)]

mod backup;
mod backup_database;
mod beside;
mod bin;
mod bin_before;
mod checkout;
mod cli;
mod cluster;
mod console;
mod crash;
mod crowd;
mod demo;
mod descriptions;
mod dev;
mod disk;
mod docs;
mod doctor;
mod key;
mod leak;
mod links;
mod memory;
mod move_vault;
mod network_token;
mod nodes;
mod notification;
mod once;
mod output;
mod owner;
mod pci;
mod processor;
mod race;
mod resident;
mod route;
mod scan;
mod seal;
mod serve;
mod setup;
mod signals;
mod slot;
mod support;
mod trace;
mod trail;
mod wal_directory;
mod webhook;
