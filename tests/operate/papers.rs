//! Completions and the manual, and a program of one's own with the commands.

use std::process::ExitCode;

use regrow::operate::Code;

use crate::program::regrow;

#[test]
fn each_shell_gets_a_script_that_knows_the_commands() {
    let nothing = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = regrow(nothing.path(), &["completions", shell]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{shell}");
        for word in ["dead-letters", "revive", "token-file"] {
            assert!(ran.out.contains(word), "{shell} does not know {word}");
        }
    }
}

#[test]
fn the_manual_has_a_page_for_each_command_with_the_exit_codes() {
    let folder = tempfile::tempdir().expect("a folder");
    let man = folder.path().join("new/man1");
    let ran = regrow(folder.path(), &["man", &man.display().to_string()]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for name in
        ["regrow", "regrow-ps", "regrow-dead-letters", "regrow-dead-letters-replay", "regrow-kill", "regrow-why"]
    {
        let page = std::fs::read_to_string(man.join(format!("{name}.1"))).expect(name);
        assert!(
            page.contains(".TH") && page.contains("the program speaks another version of the data"),
            "{name}:\n{page}"
        );
    }
    assert!(man.join("regrow-policy-reload.1").exists());
}

#[test]
fn a_program_of_ones_own_has_the_commands_by_one_call() {
    let nothing = tempfile::tempdir().expect("a folder");
    let socket = nothing.path().join("x.sock").display().to_string();
    let call = |arguments: &[&str]| regrow::operate::main([&["bank"], arguments].concat());
    let code = |code: Code| format!("{:?}", ExitCode::from(code));
    assert_eq!(format!("{:?}", call(&["ps", "--socket", &socket])), code(Code::NoProgram));
    assert_eq!(format!("{:?}", call(&["policy", "reload", "--socket", &socket, "-r", "x"])), code(Code::NoProgram));
    assert_eq!(format!("{:?}", call(&["--help"])), code(Code::Done));
    assert_eq!(format!("{:?}", call(&["pss"])), code(Code::Usage));
}

#[test]
fn a_program_keeps_its_own_description() {
    #[derive(Debug, clap::Parser)]
    #[command(name = "bank", about = "Serves a bank.")]
    enum Program {
        /// Serves.
        Serve,
        #[command(flatten)]
        Operate(regrow::operate::Operate),
    }

    use clap::CommandFactory;
    let help = Program::command().render_long_help().to_string();
    assert!(help.starts_with("Serves a bank.\n") && help.contains("dead-letters"), "{help}");
}

#[tokio::test]
async fn the_call_may_be_made_inside_of_a_runtime() {
    let nothing = tempfile::tempdir().expect("a folder");
    let socket = nothing.path().join("x.sock").display().to_string();
    let ended = regrow::operate::main(["bank", "ps", "--socket", &socket]);
    assert_eq!(format!("{ended:?}"), format!("{:?}", ExitCode::from(Code::NoProgram)));
}
