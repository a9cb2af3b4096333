use redis::AsyncCommands;
use testkit::TestRedis;

#[tokio::test]
async fn tests_share_a_server_and_not_their_keys() {
    let (one, other) = (TestRedis::new().unwrap(), TestRedis::new().unwrap());
    let mut connection = one.client().unwrap().get_multiplexed_async_connection().await.unwrap();

    let key = format!("{}k", one.prefix());
    let () = connection.set(&key, "v").await.unwrap();
    let seen: Option<String> = connection.get(format!("{}k", other.prefix())).await.unwrap();

    assert_eq!(one.url(), other.url());
    assert_eq!(seen, None);
}

#[tokio::test]
async fn a_killed_server_comes_back_on_its_port_and_empty() {
    let redis = TestRedis::dedicated().unwrap();
    let client = redis.client().unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let () = connection.set("k", "v").await.unwrap();

    redis.kill_9().unwrap();
    assert!(client.get_multiplexed_async_connection().await.is_err());
    redis.restart().unwrap();

    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    assert_eq!(connection.get::<_, Option<String>>("k").await.unwrap(), None);
}

#[test]
fn the_shared_server_cannot_be_killed() {
    assert!(TestRedis::new().unwrap().kill_9().is_err());
}
