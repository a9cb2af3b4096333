//! The sample backend: a small weather service that a new installation publishes, sells and calls.
//!
//! It stands for a provider's own service: it knows nothing of Tollgate but the shared secret that keeps callers from
//! going around the gateway.

use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use common::secret::constant_time_eq;
use futures_util::stream;
use serde::{Deserialize, Serialize};

/// The backend's OpenAPI document.
pub(crate) const DOCUMENT: &str = include_str!("sample.openapi.yaml");
/// Header with the secret that the gateway adds.
pub(crate) const SECRET_HEADER: &str = "x-backend-secret";

#[derive(Clone, Copy, Serialize)]
struct Station {
    id: &'static str,
    name: &'static str,
    latitude: f64,
    longitude: f64,
}

const STATIONS: [Station; 4] = [
    Station { id: "harbour", name: "Harbour mole", latitude: 54.18, longitude: 12.08 },
    Station { id: "summit", name: "Summit hut", latitude: 47.42, longitude: 10.98 },
    Station { id: "airfield", name: "Old airfield", latitude: 52.47, longitude: 13.40 },
    Station { id: "vineyard", name: "South vineyard", latitude: 49.01, longitude: 8.40 },
];

#[derive(Serialize)]
struct Forecast {
    day: u32,
    high_celsius: i32,
    low_celsius: i32,
    rain_percent: u32,
}

#[derive(Deserialize)]
struct ForecastQuery {
    days: Option<u32>,
}

#[derive(Deserialize, Serialize)]
struct Report {
    station: String,
    celsius: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Serves the backend on `listener` until stopped; refuses calls without `secret`.
pub(crate) fn serve(listener: TcpListener, secret: String) -> std::io::Result<Server> {
    let secret = web::Data::new(secret);
    let app = move || {
        App::new()
            .app_data(secret.clone())
            .app_data(web::JsonConfig::default().limit(64 << 10))
            .route("/healthz", web::get().to(HttpResponse::Ok))
            .route("/stations", web::get().to(stations))
            .route("/stations/{id}", web::get().to(station))
            .route("/stations/{id}/forecast", web::get().to(forecast))
            .route("/reports", web::post().to(report))
            .route("/observations", web::get().to(observations))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(1).listen(listener)?;
    Ok(server.tcp_nodelay(true).run())
}

fn refused(request: &HttpRequest) -> Option<HttpResponse> {
    let secret = request.app_data::<web::Data<String>>().map(|secret| secret.as_bytes()).unwrap_or_default();
    let given = request.headers().get(SECRET_HEADER).map(|value| value.as_bytes()).unwrap_or_default();
    if constant_time_eq(secret, given) {
        return None;
    }
    let body = serde_json::json!({ "error": "this backend answers its API gateway alone" });
    Some(HttpResponse::Forbidden().json(body))
}

fn find(id: &str) -> Option<(usize, Station)> {
    STATIONS.iter().enumerate().find(|(_, station)| station.id == id).map(|(at, station)| (at, *station))
}

fn missing(id: &str) -> HttpResponse {
    HttpResponse::NotFound().json(serde_json::json!({ "error": format!("no station {id}") }))
}

async fn stations(request: HttpRequest) -> HttpResponse {
    if let Some(refusal) = refused(&request) {
        return refusal;
    }
    HttpResponse::Ok().json(STATIONS)
}

async fn station(request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    if let Some(refusal) = refused(&request) {
        return refusal;
    }
    match find(&id) {
        Some((_, station)) => HttpResponse::Ok().json(station),
        None => missing(&id),
    }
}

async fn forecast(
    request: HttpRequest,
    id: web::Path<String>,
    query: web::Query<ForecastQuery>,
) -> HttpResponse {
    if let Some(refusal) = refused(&request) {
        return refusal;
    }
    let Some((at, _)) = find(&id) else { return missing(&id) };
    let days = query.days.unwrap_or(3).clamp(1, 14);
    // The same every time, so that examples and tests can rely on it.
    let seed = u32::try_from(at).unwrap_or_default() * 7 + 3;
    let days: Vec<Forecast> = (1..=days)
        .map(|day| {
            let wave = i32::try_from((seed + day * 5) % 11).unwrap_or_default();
            Forecast {
                day,
                high_celsius: 14 + wave,
                low_celsius: 6 + wave / 2,
                rain_percent: (seed * day * 13) % 101,
            }
        })
        .collect();
    HttpResponse::Ok().json(days)
}

async fn report(request: HttpRequest, report: web::Json<Report>) -> HttpResponse {
    if let Some(refusal) = refused(&request) {
        return refusal;
    }
    match find(&report.station) {
        Some(_) => HttpResponse::Created().json(report.into_inner()),
        None => missing(&report.station),
    }
}

/// Streams one line per station, each as its own chunk.
async fn observations(request: HttpRequest) -> HttpResponse {
    if let Some(refusal) = refused(&request) {
        return refusal;
    }
    let lines = STATIONS.iter().enumerate().map(|(at, station)| {
        let line = serde_json::json!({ "station": station.id, "celsius": 11 + at });
        Ok::<_, actix_web::Error>(web::Bytes::from(format!("{line}\n")))
    });
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/x-ndjson")).streaming(stream::iter(lines))
}
