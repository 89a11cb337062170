use std::time::Duration;

use regrow::{Backoff, Child, Intensity, Policy, Supervisor};
use sqlx::postgres::{PgPool, PgPoolOptions};

const SEC: Duration = Duration::from_secs(1);

struct Orders {
    pool: PgPool,
}

#[regrow::service(pub)]
impl Orders {
    #[call(error = sqlx::Error)]
    async fn place(&mut self, customer: String, cents: i64) -> Result<i64, sqlx::Error> {
        let mut transaction = self.pool.begin().await?; // dropped without a commit, it is rolled back
        let id: i64 = sqlx::query_scalar("INSERT INTO orders (customer, cents) VALUES ($1, $2) RETURNING id")
            .bind(customer)
            .bind(cents)
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(id)
    }
}

/// Runs once before the orders. Written so that a second run changes nothing.
async fn migrate(pool: PgPool) -> anyhow::Result<()> {
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS orders (id BIGSERIAL PRIMARY KEY, customer TEXT, cents BIGINT)")
        .execute(&pool)
        .await?;
    Ok(())
}

pub fn shop(url: &str) -> anyhow::Result<Supervisor> {
    let pool = PgPoolOptions::new().max_connections(8).acquire_timeout(2 * SEC).connect_lazy(url)?;
    // As long as the database is away, the migration fails and is tried again: 60 times in ten minutes, then the program ends.
    let waits =
        Policy::default().backoff(Backoff::new(SEC / 10).max_delay(10 * SEC)).budget(Intensity::new(60, 600 * SEC));
    Ok(Supervisor::one_for_one("shop")
        .child(Child::task_with("migrate", pool.clone(), |pool, _ctx| migrate(pool)).policy(waits))
        .child(
            Child::service_with("orders", pool, |pool, _ctx| async { Ok(Orders { pool }) })
                .policy(Policy::default().depends_on_completed(["migrate"])),
        ))
}
