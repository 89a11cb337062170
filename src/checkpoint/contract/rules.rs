//! The rules, each a short history of one key or a few.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::checkpoint::contract::bench::{Bench, Broken, at, claim, ensure, expect, record, save, show};
use crate::checkpoint::error::StoreError;
use crate::checkpoint::store::{CheckpointStore, Record};

type Kept = Result<(), Broken>;

/// Claims or saves that are made at the same time.
const CROWD: u64 = 16;

pub(super) async fn first_claim<S: CheckpointStore, F: Future<Output = S>>(bench: &Bench<S, impl Fn() -> F>) -> Kept {
    let claim = bench.claim().await?;
    ensure!(claim.epoch == 1, "the first claim has epoch {}", claim.epoch);
    ensure!(claim.latest.is_none(), "a key that was never saved has {}", show(claim.latest.as_ref()));
    Ok(())
}

pub(super) async fn epochs_grow_by_one<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    let mut before = bench.claim().await?.epoch;
    for save in [false, true, true] {
        if save {
            bench.save(at(before, 1), "value").await?;
        }
        let epoch = bench.claim().await?.epoch;
        ensure!(before.checked_add(1) == Some(epoch), "the claim after epoch {before} has epoch {epoch}");
        before = epoch;
    }
    Ok(())
}

pub(super) async fn concurrent_claims<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    let before = bench.claim().await?.epoch;
    let handles = [bench.store.clone(), bench.reopen().await];
    let mut claims = JoinSet::new();
    for number in 0..CROWD {
        let (store, key) = (handles[usize::from(number % 2 == 0)].clone(), bench.key.clone());
        claims.spawn(async move { claim(&*store, &key).await.map(|claim| claim.epoch) });
    }
    let mut epochs = BTreeSet::new();
    while let Some(claimed) = claims.join_next().await {
        let epoch = claimed.map_err(|panicked| Broken(format!("a claim panicked: {panicked}")))??;
        ensure!(epochs.insert(epoch), "two of {CROWD} claims at the same time got epoch {epoch}");
    }
    let wanted: BTreeSet<u64> = (1..=CROWD).map(|number| before.saturating_add(number)).collect();
    ensure!(epochs == wanted, "{CROWD} claims at the same time after epoch {before} got the epochs {epochs:?}");
    Ok(())
}

pub(super) async fn latest_only<S: CheckpointStore, F: Future<Output = S>>(bench: &Bench<S, impl Fn() -> F>) -> Kept {
    let mut epoch = bench.claim().await?.epoch;
    for life in 1..=5 {
        for sequence in 1..=3 {
            bench.save(at(epoch, sequence), &format!("life {life}, save {sequence}")).await?;
        }
        let after = format!("after three saves in each of {life} lives");
        epoch = bench.expect(at(epoch, 3), &format!("life {life}, save 3"), &after).await?.epoch;
    }
    // Sequences may have gaps: a save that was given up has one.
    bench.save(at(epoch, 7), "after a gap").await?;
    bench.expect(at(epoch, 7), "after a gap", "after a gap in the sequence").await?;
    Ok(())
}

pub(super) async fn old_epoch_is_refused<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    let old = bench.claim().await?.epoch;
    bench.save(at(old, 1), "old").await?;
    let new = bench.claim().await?.epoch;
    let why = format!("epoch {new} was claimed");
    // Before the new incarnation has saved, and after that.
    bench.save_in_vain(at(old, 2), &why).await?;
    bench.discard_in_vain(at(old, 3), &why).await?;
    let newer = bench.expect(at(old, 1), "old", "after a refused save and a refused discard").await?.epoch;
    bench.save(at(newer, 1), "new").await?;
    bench.save_in_vain(at(new, 9), "a newer epoch was claimed and saved").await?;
    bench.discard_in_vain(at(new, 10), "a newer epoch was claimed and saved").await?;
    bench.expect(at(newer, 1), "new", "after a refused save and a refused discard").await?;
    Ok(())
}

pub(super) async fn unclaimed_epoch_is_refused<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    bench.save_in_vain(at(1, 1), "the key was never claimed").await?;
    bench.discard_in_vain(at(1, 1), "the key was never claimed").await?;
    let first = bench.claim().await?;
    ensure!(first.latest.is_none(), "a refused save is stored: {}", show(first.latest.as_ref()));
    ensure!(first.epoch == 1, "the first claim has epoch {} after a refused save", first.epoch);
    bench.save(at(1, 1), "value").await?;
    bench.save_in_vain(at(2, 1), "epoch 2 was not claimed yet").await?;
    bench.discard_in_vain(at(2, 1), "epoch 2 was not claimed yet").await?;
    let second = bench.expect(at(1, 1), "value", "after a refused save and a refused discard").await?;
    ensure!(second.epoch == 2, "the second claim has epoch {} after refused saves", second.epoch);
    Ok(())
}

pub(super) async fn late_save_is_refused<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    let epoch = bench.claim().await?.epoch;
    bench.save(at(epoch, 5), "newer").await?;
    bench.save_in_vain(at(epoch, 4), "save 5 is stored").await?;
    bench.discard_in_vain(at(epoch, 3), "save 5 is stored").await?;
    bench.expect(at(epoch, 5), "newer", "after a late save").await?;
    Ok(())
}

pub(super) async fn same_stamp_is_refused<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    let epoch = bench.claim().await?.epoch;
    bench.save(at(epoch, 1), "first").await?;
    bench.save_in_vain(at(epoch, 1), "a save with this stamp is stored").await?;
    bench.discard_in_vain(at(epoch, 1), "a save with this stamp is stored").await?;
    bench.expect(at(epoch, 1), "first", "after a second save with the same stamp").await?;
    Ok(())
}

pub(super) async fn late_save_after_discard<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    let epoch = bench.claim().await?.epoch;
    bench.save(at(epoch, 1), "value").await?;
    bench.discard(at(epoch, 3)).await?;
    bench.save_in_vain(at(epoch, 2), "a discard with save 3 came before it").await?;
    bench.save_in_vain(at(epoch, 3), "a discard has the same stamp").await?;
    let claim = bench.claim().await?;
    ensure!(claim.latest.is_none(), "a late save brought {} back", show(claim.latest.as_ref()));
    Ok(())
}

pub(super) async fn discard_removes_value<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    let epoch = bench.claim().await?.epoch;
    // A discard of no value is fine, too.
    bench.discard(at(epoch, 1)).await?;
    bench.save(at(epoch, 2), "value").await?;
    bench.discard(at(epoch, 3)).await?;
    let next = bench.claim().await?;
    ensure!(next.latest.is_none(), "after a discard, the claim returned {}", show(next.latest.as_ref()));
    bench.save(at(next.epoch, 1), "afterwards").await?;
    bench.expect(at(next.epoch, 1), "afterwards", "after a save that followed a discard").await?;
    Ok(())
}

pub(super) async fn discard_keeps_epoch<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    bench.claim().await?;
    let epoch = bench.claim().await?.epoch;
    bench.save(at(epoch, 1), "value").await?;
    bench.discard(at(epoch, 2)).await?;
    let next = bench.claim().await?.epoch;
    ensure!(epoch.checked_add(1) == Some(next), "after a discard under epoch {epoch}, the next claim has epoch {next}");
    Ok(())
}

pub(super) async fn any_content<S: CheckpointStore, F: Future<Output = S>>(bench: &Bench<S, impl Fn() -> F>) -> Kept {
    let each: Vec<u8> = (0..=u8::MAX).collect();
    let large: Vec<u8> = each.iter().copied().cycle().take(8 << 20).collect();
    let zeros = vec![0; 4096];
    let contents =
        [(0, vec![]), (u32::MAX, each), (7, zeros), (1 << 31, large), (1, vec![]), (2, b"'\"\\\r\n\0%;--".to_vec())];
    for (schema, bytes) in contents {
        let epoch = bench.claim().await?.epoch;
        let saved = Record { stamp: at(epoch, 1), schema, bytes: bytes.into() };
        let stored = bench.store.save(&bench.key, saved.clone()).await;
        stored.map_err(|error| Broken(format!("a save of {} bytes failed: {error}", saved.bytes.len())))?;
        let Some(latest) = bench.claim().await?.latest else {
            return Err(Broken(format!("a saved value of {} bytes is not there", saved.bytes.len())));
        };
        ensure!(latest.schema == schema, "schema {schema} came back as {}", latest.schema);
        ensure!(latest.bytes == saved.bytes, "{} bytes came back as other {}", saved.bytes.len(), latest.bytes.len());
        ensure!(latest.stamp == saved.stamp, "the stamp {} came back as {}", saved.stamp, latest.stamp);
    }
    Ok(())
}

pub(super) async fn keys_do_not_mix<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    // Paths of services have up to 250 bytes a name; longer keys are those of other programs.
    let long = "long-name-".repeat(25);
    let tails = [
        "",
        "/",
        "//",
        "a",
        "A",
        "a/",
        "/a",
        "a/a",
        "a+a",
        "a%2fa",
        "a%2Fa",
        ".",
        "..",
        "../a",
        "./a",
        "a\0",
        "a\0b",
        "a b",
        " a",
        "a ",
        "a.tmp",
        "a'",
        "a\"",
        "a\\b",
        "a:b",
        "a*?",
        "nul",
        "con.txt",
        "ä",
        "a\u{308}",
        "ae",
        "Ä",
        "\u{1f41a}",
        "a\n",
        "~",
        "-rf",
        "%",
        "_",
        &long,
        &format!("{long}b"),
        &format!("{long}/{long}"),
    ];
    let keys: Vec<String> = tails.iter().map(|tail| format!("{}/{tail}", bench.key)).collect();
    for key in &keys {
        let first = claim(&*bench.store, key).await?;
        ensure!(first.epoch == 1 && first.latest.is_none(), "`{}` is the same as another key", key.escape_debug());
        save(&*bench.store, key, at(1, 1), key).await?;
    }
    let again = bench.reopen().await;
    for key in &keys {
        let second = claim(&*again, key).await?;
        ensure!(second.epoch == 2, "`{}` has epoch {} at its second claim", key.escape_debug(), second.epoch);
        expect(&second, at(1, 1), key, "after saves of other keys")?;
    }
    Ok(())
}

pub(super) async fn survives_reopening<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    let epoch = bench.claim().await?.epoch;
    bench.save(at(epoch, 1), "value").await?;
    let again = bench.reopen().await;
    let claimed = claim(&*again, &bench.key).await?;
    ensure!(
        epoch.checked_add(1) == Some(claimed.epoch),
        "opened again, epoch {epoch} is followed by {}",
        claimed.epoch
    );
    expect(&claimed, at(epoch, 1), "value", "opened again")
}

pub(super) async fn handles_see_each_other<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    let other = bench.reopen().await;
    let first = bench.claim().await?.epoch;
    bench.save(at(first, 1), "of the first").await?;
    let second = claim(&*other, &bench.key).await?;
    expect(&second, at(first, 1), "of the first", "by another handle")?;
    bench.save_in_vain(at(first, 2), "another handle has claimed the key").await?;
    save(&*other, &bench.key, at(second.epoch, 1), "of the second").await?;
    bench.expect(at(second.epoch, 1), "of the second", "after a save by another handle").await?;
    let refused = other.save(&bench.key, record(at(second.epoch, 2), "refused")).await;
    ensure!(refused.is_err(), "a save by another handle was accepted after a newer claim");
    Ok(())
}

pub(super) async fn concurrent_saves<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    let epoch = bench.claim().await?.epoch;
    let mut saves = JoinSet::new();
    for sequence in 1..=CROWD {
        let (store, key) = (bench.store.clone(), bench.key.clone());
        saves.spawn(async move { (sequence, store.save(&key, record(at(epoch, sequence), "one of many")).await) });
    }
    while let Some(saved) = saves.join_next().await {
        let (sequence, saved) = saved.map_err(|panicked| Broken(format!("a save panicked: {panicked}")))?;
        match saved {
            Ok(()) => {}
            Err(StoreError::Superseded { .. }) if sequence < CROWD => {}
            Err(error) => return Err(Broken(format!("save {sequence} of {CROWD} at the same time failed: {error}"))),
        }
    }
    bench.expect(at(epoch, CROWD), "one of many", "after saves at the same time").await?;
    Ok(())
}

pub(super) async fn refusal_says_why<S: CheckpointStore, F: Future<Output = S>>(
    bench: &Bench<S, impl Fn() -> F>,
) -> Kept {
    let old = bench.claim().await?.epoch;
    let new = bench.claim().await?.epoch;
    for stored in [None, Some(at(new, 4))] {
        if let Some(stamp) = stored {
            bench.save(stamp, "value").await?;
        }
        let store: &Arc<S> = &bench.store;
        let saved = store.save(&bench.key, record(at(old, 9), "refused")).await;
        let discarded = store.discard(&bench.key, at(old, 9)).await;
        for refused in [saved, discarded] {
            match refused {
                Err(StoreError::Superseded { epoch, stored: told }) => ensure!(
                    (epoch, told) == (new, stored),
                    "the refusal tells of epoch {epoch} and the stored stamp {told:?}, and they are {new} and {stored:?}"
                ),
                Err(other) => return Err(Broken(format!("a refusal is `{other}` and not `Superseded`"))),
                Ok(()) => return Err(Broken(format!("epoch {old} was accepted after epoch {new} was claimed"))),
            }
        }
    }
    Ok(())
}
