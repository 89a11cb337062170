//! The name under which the source remembers the last look of an operator.
//!
//! Each command is a process of its own, and over ssh each has a shell and a session of its own. So the name is made of what is
//! the same from command to command: the user, and the machine that the user comes from or the session of the terminal.
//! Operators that share a user come from machines of their own. If they do not, they share their looks: the ages that follow
//! from these are as true for each of them, and a growth counts from the last look of any.

use std::io::{IsTerminal, stdin};

use rustix::process::{getsid, getuid};

/// Returns the name of the viewer at this command.
pub(crate) fn viewer() -> String {
    let session = if stdin().is_terminal() { getsid(None).ok().map(|session| session.as_raw_pid()) } else { None };
    let ssh = std::env::var("SSH_CONNECTION").ok();
    name(getuid().as_raw(), ssh.as_deref(), session)
}

/// `ssh` is the variable of sshd: address and port of the client, then of the server.
fn name(uid: u32, ssh: Option<&str>, session: Option<i32>) -> String {
    let address = ssh.and_then(|ssh| ssh.split_whitespace().next());
    match (address, session) {
        // The session of a command with a terminal, as of `ssh -t`, ends with that command.
        (Some(address), _) => format!("uid {uid} from {address}"),
        (None, Some(session)) => format!("uid {uid} in session {session}"),
        (None, None) => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    // Found by review: the name was that of the shell, and a second `ssh host regrow ps` never had a last look.
    #[test]
    fn commands_over_ssh_are_one_viewer_and_operators_on_two_machines_are_two() {
        let first = name(1000, Some("10.0.0.5 50022 10.0.0.1 22"), None);
        assert_eq!(
            first,
            name(1000, Some("10.0.0.5 50999 10.0.0.1 22"), Some(7)),
            "another connection, with a terminal"
        );
        assert_ne!(first, name(1000, Some("10.0.0.6 50022 10.0.0.1 22"), None));
        assert_ne!(first, name(1001, Some("10.0.0.5 50022 10.0.0.1 22"), None));
    }

    #[test]
    fn at_the_machine_each_terminal_is_a_viewer_and_all_scripts_of_a_user_are_one() {
        assert_ne!(name(0, None, Some(7)), name(0, None, Some(8)));
        assert_eq!(name(0, None, None), name(0, Some(""), None));
    }
}
