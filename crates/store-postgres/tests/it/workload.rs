use panvault_testkit::workload::Workload;

use crate::support::{Home, block_on};

/// Seeds of every run. `PANVAULT_TEST_SEEDS` names how many more, from 1000 on.
const SEEDS: u64 = 4;

#[test]
fn random_steps_do_as_the_model_predicts() {
    #[expect(clippy::disallowed_methods, reason = "how long a test looks is no configuration of the vault")]
    let more = std::env::var("PANVAULT_TEST_SEEDS").ok().map_or(0, |count| count.parse().unwrap());
    for seed in (0..SEEDS).chain(1000..1000 + more) {
        println!("seed {seed}");
        life(seed);
    }
}

/// A store that is opened, worked on and closed or dropped, again and again, by nodes of one name.
fn life(seed: u64) {
    let home = Home::new();
    let mut workload = Workload::new(seed);
    for _ in 0..4 {
        block_on(async {
            let store = home.open().await;
            workload.compare(&store).await;
            workload.run(&store, 40).await;
            workload.compare(&store).await;
            if workload.dice().percent(50) {
                panvault_store::Store::close(&store).await.unwrap();
            }
        });
    }
    block_on(async { workload.compare(&home.open().await).await });
}
