//! OAuth 2.0: the token endpoint (RFC 6749 §3.2), metadata (RFC 8414) and keys (RFC 7517).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::form::{self, Kind};
use super::settings::lifetime;
use super::standard::{self, answer, whole_seconds};
use super::{Asked, Dialect, Endpoint, LimitSettings, Malformed, MountSettings, Place, Spot};
use crate::issue::{Answer, Ask, ClientCredentials, ClientProof, IssueError, Issued};
use crate::net::Body;
use crate::observe::Refusal;
use crate::token::{Profile, Scope, Secret};

/// The dialect, for one mount.
#[derive(Debug)]
struct OAuth2 {
    profile: Profile,
    endpoints: [Endpoint; 4],
    /// Where clients reach the mount: scheme, host and path.
    url: String,
}

/// Builds the dialect, for a mount that clients reach at `url`.
pub(super) fn build(settings: &MountSettings, url: &str) -> Arc<dyn Dialect> {
    let standard = Profile::standard();
    let algorithm = settings.keys.algorithm.unwrap_or(standard.algorithm);
    let endpoint = |name, method, spot| Endpoint {
        name,
        spot,
        method,
        limit: None,
        demands_token: false,
    };
    Arc::new(OAuth2 {
        profile: Profile {
            algorithm,
            access_lifetime: lifetime(&settings.tokens, standard.access_lifetime),
            ..standard
        },
        endpoints: [
            Endpoint {
                limit: settings.limit.map(LimitSettings::smooth),
                ..endpoint(TOKEN, Method::POST, Spot::Below("/token"))
            },
            endpoint(KEYS, Method::GET, Spot::Below("/jwks")),
            endpoint(METADATA, Method::GET, Spot::WellKnown(WELL_KNOWN)),
            // Not the place RFC 8414 names, but where many clients look.
            endpoint(
                METADATA,
                Method::GET,
                Spot::Below("/.well-known/oauth-authorization-server"),
            ),
        ],
        url: url.trim_end_matches('/').to_owned(),
    })
}

impl Dialect for OAuth2 {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    fn read(&self, at: &Endpoint, asked: &Asked<'_>) -> Result<Ask, Malformed> {
        match at.name {
            KEYS => Ok(Ask::Keys),
            METADATA => Ok(Ask::Metadata),
            _ => token_request(asked.head, asked.body).map_err(|mistake| Malformed {
                code: mistake.error,
                response: Box::new(mistake.response()),
            }),
        }
    }

    fn write(&self, _at: &Endpoint, outcome: Result<&Answer, &IssueError>) -> Response<Body> {
        match outcome {
            Ok(Answer::Issued(issued)) => granted(issued),
            Ok(Answer::Keys(keys)) => published("application/jwk-set+json", keys),
            Ok(Answer::Metadata { issuer }) => {
                published("application/json", &self.metadata(issuer))
            }
            // The others have no place in this dialect, so it never asks for them.
            Ok(_) => failed(StatusCode::INTERNAL_SERVER_ERROR, SERVER_ERROR),
            Err(error) => failure(error),
        }
    }

    fn decline(&self, _at: &Endpoint, refusal: &Refusal, place: &Place<'_>) -> Response<Body> {
        let error = match standard::status(refusal) {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                "temporarily_unavailable"
            }
            status if status.is_server_error() => "server_error",
            _ => "invalid_request",
        };
        let description = standard::sentence(refusal);
        let mut response = failed(standard::status(refusal), Mistake { error, description });
        standard::tell(refusal, place, response.headers_mut());
        response
    }
}

impl OAuth2 {
    /// RFC 8414 §2. What would be an empty list is left out (§3.2), as is what is not served.
    fn metadata(&self, issuer: &str) -> Value {
        json!({
            "issuer": issuer,
            "token_endpoint": format!("{}/token", self.url),
            "jwks_uri": format!("{}/jwks", self.url),
            "grant_types_supported": [CLIENT_CREDENTIALS],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        })
    }
}

/// What is wrong with a request, in the words of RFC 6749 §5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mistake {
    error: &'static str,
    description: &'static str,
}

impl Mistake {
    const fn request(description: &'static str) -> Self {
        Self {
            error: "invalid_request",
            description,
        }
    }

    const fn client(description: &'static str) -> Self {
        Self {
            error: "invalid_client",
            description,
        }
    }

    /// 401 and a challenge for a client that could not be authenticated, else 400.
    fn response(self) -> Response<Body> {
        if self.error != "invalid_client" {
            return failed(StatusCode::BAD_REQUEST, self);
        }
        let mut response = failed(StatusCode::UNAUTHORIZED, self);
        let challenge = HeaderValue::from_static("Basic realm=\"token\", charset=\"UTF-8\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        response
    }
}

fn token_request(head: &Parts, body: &Bytes) -> Result<Ask, Mistake> {
    if Kind::of(head) != Kind::Form || form::is_encoded(head) {
        return Err(Mistake::request(
            "the body is not application/x-www-form-urlencoded",
        ));
    }
    let mut parameters = Parameters::read(body)?;
    match parameters.grant_type.as_deref() {
        Some(CLIENT_CREDENTIALS) => {}
        Some(_) => {
            return Err(Mistake {
                error: "unsupported_grant_type",
                description: "this grant type is not supported",
            });
        }
        None => return Err(Mistake::request("grant_type is missing")),
    }
    let scope = parameters.scope.take().map(|text| Scope::parse(&text));
    let scope = scope.transpose().map_err(|_| INVALID_SCOPE)?;
    let client = client(&head.headers, parameters)?;
    Ok(Ask::ClientCredentials { client, scope })
}

/// The parameters we know. Unknown ones are ignored, empty ones absent (RFC 6749 §3.2).
#[derive(Default)]
struct Parameters {
    grant_type: Option<String>,
    scope: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
}

impl Parameters {
    fn read(body: &Bytes) -> Result<Self, Mistake> {
        let mut found = Self::default();
        let mut names = HashSet::new();
        for (name, value) in form::pairs(body) {
            if value.contains('\0') {
                return Err(Mistake::request("a parameter holds a NUL"));
            }
            let filled = (!value.is_empty()).then(|| value.clone().into_owned());
            match &*name {
                "grant_type" => found.grant_type = filled,
                "scope" => found.scope = filled,
                "client_id" => found.client_id = filled,
                "client_secret" => found.client_secret = filled.map(Secret::new),
                _ => {}
            }
            if !names.insert(name) {
                return Err(Mistake::request("a parameter occurs more than once"));
            }
        }
        Ok(found)
    }
}

/// Which program is asking: by the header or by parameters, never by both (RFC 6749 §2.3).
fn client(headers: &HeaderMap, parameters: Parameters) -> Result<ClientCredentials, Mistake> {
    let Some((id, secret)) = basic(headers)? else {
        return match (parameters.client_id, parameters.client_secret) {
            (Some(id), Some(secret)) => Ok(ClientCredentials {
                id,
                proof: ClientProof::Secret(secret),
                in_header: false,
            }),
            _ => Err(Mistake::client("the client did not authenticate")),
        };
    };
    if parameters.client_secret.is_some() {
        return Err(Mistake::request("the client authenticated in two ways"));
    }
    if parameters.client_id.is_some_and(|named| named != id) {
        return Err(Mistake::request("two different clients are named"));
    }
    Ok(ClientCredentials {
        id,
        proof: ClientProof::Secret(secret),
        in_header: true,
    })
}

/// `Authorization: Basic` (RFC 7617), identifier and secret encoded as in a form (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>, Mistake> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(Mistake::request("more than one Authorization field"));
    }
    let decoded = || {
        let (scheme, rest) = field.to_str().ok()?.split_once(' ')?;
        let bytes = STANDARD.decode(rest.trim_matches(' ')).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (id, secret) = text.split_once(':')?;
        let pair = (form::decoded(id), Secret::new(form::decoded(secret)));
        scheme.eq_ignore_ascii_case("Basic").then_some(pair)
    };
    match decoded() {
        Some((id, secret)) if !id.is_empty() && !id.contains('\0') => Ok(Some((id, secret))),
        _ => Err(Mistake::client(
            "the Authorization field holds no Basic credentials",
        )),
    }
}

/// RFC 6749 §5.1.
fn granted(issued: &Issued) -> Response<Body> {
    let mut body = Map::new();
    body.insert("access_token".into(), issued.access_token.reveal().into());
    body.insert("token_type".into(), "Bearer".into());
    body.insert("expires_in".into(), issued.expires_in.as_secs().into());
    if !issued.scope.is_empty() {
        body.insert("scope".into(), issued.scope.as_str().into());
    }
    if let Some(token) = &issued.refresh_token {
        body.insert("refresh_token".into(), token.reveal().into());
    }
    uncached(answer(
        StatusCode::OK,
        "application/json",
        Value::Object(body).to_string(),
    ))
}

/// What everybody may know and keep for a while.
fn published(kind: &'static str, body: &Value) -> Response<Body> {
    let mut response = answer(StatusCode::OK, kind, body.to_string());
    let for_a_while = HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(CACHE_CONTROL, for_a_while);
    response
}

fn failure(error: &IssueError) -> Response<Body> {
    match error {
        IssueError::InvalidClient { .. } => {
            Mistake::client("the client is unknown or its secret is wrong").response()
        }
        IssueError::UnauthorizedClient => failed(
            StatusCode::BAD_REQUEST,
            Mistake {
                error: "unauthorized_client",
                description: "this client may not use this grant type",
            },
        ),
        IssueError::InvalidScope => failed(StatusCode::BAD_REQUEST, INVALID_SCOPE),
        IssueError::InvalidCredentials | IssueError::InvalidGrant => failed(
            StatusCode::BAD_REQUEST,
            Mistake {
                error: "invalid_grant",
                description: "the grant is invalid, expired or revoked",
            },
        ),
        IssueError::Busy { retry_after } => later(StatusCode::TOO_MANY_REQUESTS, *retry_after),
        IssueError::Store(_) => later(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(1)),
        _ => failed(StatusCode::INTERNAL_SERVER_ERROR, SERVER_ERROR),
    }
}

fn later(status: StatusCode, wait: Duration) -> Response<Body> {
    let mistake = Mistake {
        error: "temporarily_unavailable",
        description: "the request cannot be answered at the moment",
    };
    let mut response = failed(status, mistake);
    response
        .headers_mut()
        .insert(RETRY_AFTER, whole_seconds(wait));
    response
}

fn failed(status: StatusCode, mistake: Mistake) -> Response<Body> {
    let body = json!({ "error": mistake.error, "error_description": mistake.description });
    uncached(answer(status, "application/json", body.to_string()))
}

/// For caches older than `Cache-Control` (RFC 6749 §5.1).
fn uncached(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

const TOKEN: &str = "token";
const KEYS: &str = "jwks";
const METADATA: &str = "metadata";
const WELL_KNOWN: &str = "oauth-authorization-server";
const CLIENT_CREDENTIALS: &str = "client_credentials";

const INVALID_SCOPE: Mistake = Mistake {
    error: "invalid_scope",
    description: "the scope is malformed, unknown, or more than this client may have",
};

const SERVER_ERROR: Mistake = Mistake {
    error: "server_error",
    description: "something went wrong on our side",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::testing::{asked, head, place, said};
    use crate::token::Algorithm;

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

    fn oauth() -> Arc<dyn Dialect> {
        build(&MountSettings::default(), "https://api.test/oauth")
    }

    fn at(name: &str) -> Endpoint {
        let oauth = oauth();
        let endpoint = oauth.endpoints().iter().find(|at| at.name == name);
        endpoint.unwrap().clone()
    }

    fn read(fields: &[(&str, &str)], body: &str) -> Result<Ask, Malformed> {
        let head = head("POST", "/oauth/token", fields);
        oauth().read(&at(TOKEN), &asked(&head, &Bytes::from(body.to_owned())))
    }

    fn client_of(fields: &[(&str, &str)], body: &str) -> ClientCredentials {
        match read(fields, body).unwrap() {
            Ask::ClientCredentials { client, .. } => client,
            other => panic!("{other:?}"),
        }
    }

    fn secret_of(client: &ClientCredentials) -> &str {
        match &client.proof {
            ClientProof::Secret(secret) => secret.reveal(),
            other => panic!("{other:?}"),
        }
    }

    /// Status, error, and whether there is a challenge.
    fn refused(fields: &[(&str, &str)], body: &str) -> (u16, String, bool) {
        let malformed = read(fields, body).unwrap_err();
        let headers = malformed.response.headers();
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        assert_eq!(headers[PRAGMA], "no-cache");
        let challenged = headers.contains_key(WWW_AUTHENTICATE);
        let (status, body) = said(*malformed.response);
        assert_eq!(body["error"], malformed.code);
        (status, malformed.code.to_owned(), challenged)
    }

    fn basic_of(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    fn invalid_request() -> (u16, String, bool) {
        (400, "invalid_request".to_owned(), false)
    }

    #[test]
    fn t04_basic_credentials_are_decoded_as_in_a_form() {
        let field = basic_of("my%3Ashop:a+b%2Bc%25");
        let fields = [FORM, ("authorization", field.as_str())];
        let client = client_of(&fields, "grant_type=client_credentials");
        assert_eq!(
            (client.id.as_str(), secret_of(&client)),
            ("my:shop", "a b+c%")
        );
        assert!(client.in_header);
    }

    #[test]
    fn a_client_may_authenticate_in_the_body() {
        let body = "grant_type=client_credentials&client_id=shop&client_secret=s%20s&scope=";
        let client = client_of(&[FORM], body);
        assert_eq!((client.id.as_str(), secret_of(&client)), ("shop", "s s"));
        assert!(!client.in_header);
    }

    #[test]
    fn t02_empty_parameters_are_absent_and_unknown_ones_ignored() {
        let body = "grant_type=client_credentials&scope=&x=1&client_id=a&client_secret=b";
        let ask = read(&[FORM], body).unwrap();
        assert!(matches!(ask, Ask::ClientCredentials { scope: None, .. }));
        assert_eq!(
            refused(&[FORM], "grant_type=&client_id=a&client_secret=b"),
            invalid_request()
        );
    }

    // TK-08
    #[test]
    fn t02_t03_repeated_parameters_and_two_ways_to_authenticate_are_refused() {
        let field = basic_of("shop:s");
        let both = [FORM, ("authorization", field.as_str())];
        let body = "grant_type=client_credentials";
        assert_eq!(
            refused(&[FORM], &format!("{body}&{body}")),
            invalid_request()
        );
        assert_eq!(
            refused(&both, &format!("{body}&scope=a&scope=b")),
            invalid_request()
        );
        assert_eq!(
            refused(&both, &format!("{body}&client_secret=s")),
            invalid_request()
        );
        assert_eq!(
            refused(&both, &format!("{body}&client_id=other")),
            invalid_request()
        );
        assert!(read(&both, &format!("{body}&client_id=shop")).is_ok());
        let twice = [FORM, both[1], both[1]];
        assert_eq!(refused(&twice, body), invalid_request());
    }

    #[test]
    fn t05_a_client_that_cannot_be_authenticated_is_challenged() {
        let invalid_client = (401, "invalid_client".to_owned(), true);
        let body = "grant_type=client_credentials";
        assert_eq!(refused(&[FORM], body), invalid_client);
        assert_eq!(
            refused(&[FORM], &format!("{body}&client_id=shop")),
            invalid_client
        );
        for field in [
            "Bearer x",
            "Basic",
            "Basic !!",
            &basic_of("nocolon"),
            &basic_of(":s"),
        ] {
            assert_eq!(
                refused(&[FORM, ("authorization", field)], body),
                invalid_client
            );
        }
        let error = IssueError::InvalidClient { in_header: true };
        let response = oauth().write(&at(TOKEN), Err(&error));
        assert!(
            response.headers()[WWW_AUTHENTICATE]
                .to_str()
                .unwrap()
                .starts_with("Basic realm=")
        );
        assert_eq!(said(response).0, 401);
    }

    #[test]
    fn t15_an_unknown_grant_is_unsupported_and_a_forbidden_one_unauthorized() {
        let (status, error, _) = refused(&[FORM], "grant_type=password&username=a&password=b");
        assert_eq!((status, error.as_str()), (400, "unsupported_grant_type"));
        let (status, body) = said(oauth().write(&at(TOKEN), Err(&IssueError::UnauthorizedClient)));
        assert_eq!(
            (status, &body["error"]),
            (400, &json!("unauthorized_client"))
        );
    }

    #[test]
    fn only_a_form_is_read() {
        let json = [("content-type", "application/json")];
        assert_eq!(refused(&json, "{}"), invalid_request());
        assert_eq!(
            refused(&[], "grant_type=client_credentials"),
            invalid_request()
        );
        assert_eq!(
            refused(&[FORM, ("content-encoding", "gzip")], "x"),
            invalid_request()
        );
        assert_eq!(
            refused(&[FORM], "grant_type=client_credentials%00"),
            invalid_request()
        );
    }

    #[test]
    fn a_malformed_scope_is_an_invalid_scope() {
        let body = "grant_type=client_credentials&scope=%22&client_id=a&client_secret=b";
        assert_eq!(
            refused(&[FORM], body),
            (400, "invalid_scope".to_owned(), false)
        );
    }

    // T01, T16, XD-3
    #[test]
    fn a_token_is_answered_with_its_type_lifetime_and_scope_and_kept_by_no_cache() {
        let answer = Answer::Issued(Issued {
            access_token: Secret::new("a.b.c"),
            expires_in: Duration::from_mins(10),
            refresh_token: None,
            scope: Scope::parse("orders:read").unwrap(),
            refresh_expires_in: None,
            session: None,
            scope_as_asked: true,
        });
        let response = oauth().write(&at(TOKEN), Ok(&answer));
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[PRAGMA], "no-cache");
        let expected = json!({
            "access_token": "a.b.c",
            "token_type": "Bearer",
            "expires_in": 600,
            "scope": "orders:read",
        });
        assert_eq!(said(response), (200, expected));
    }

    // M03, M04
    #[test]
    fn metadata_names_what_is_served_and_nothing_else() {
        let issuer = "https://api.test/oauth".to_owned();
        let response = oauth().write(&at(METADATA), Ok(&Answer::Metadata { issuer }));
        assert_eq!(response.headers()[CACHE_CONTROL], "public, max-age=3600");
        let expected = json!({
            "issuer": "https://api.test/oauth",
            "token_endpoint": "https://api.test/oauth/token",
            "jwks_uri": "https://api.test/oauth/jwks",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        });
        assert_eq!(said(response), (200, expected));
    }

    // T06
    #[test]
    fn refusals_at_the_token_endpoint_are_oauth_errors() {
        let allow = "POST".to_owned();
        let retry_after = Duration::from_millis(200);
        let cases = [
            (
                Refusal::MethodNotAllowed { allow },
                405,
                "invalid_request",
                ("allow", "POST"),
            ),
            (
                Refusal::BodyTooLarge,
                413,
                "invalid_request",
                ("pragma", "no-cache"),
            ),
            (
                Refusal::RateLimited { retry_after },
                429,
                "temporarily_unavailable",
                ("retry-after", "1"),
            ),
        ];
        for (refusal, status, error, (name, value)) in cases {
            let response = oauth().decline(&at(TOKEN), &refusal, &place());
            assert_eq!(response.headers()[name], value);
            let (found, body) = said(response);
            assert_eq!((found, &body["error"]), (status, &json!(error)));
        }
    }

    #[test]
    fn an_outage_is_answered_with_503_and_a_queue_too_long_with_429() {
        let outage = IssueError::Store(crate::store::StoreError::Closed);
        let retry_after = Duration::from_secs(2);
        for (error, status) in [(outage, 503), (IssueError::Busy { retry_after }, 429)] {
            let response = oauth().write(&at(TOKEN), Err(&error));
            assert!(response.headers().contains_key(RETRY_AFTER));
            assert_eq!(said(response).0, status);
        }
    }

    #[test]
    fn the_file_chooses_lifetime_and_algorithm() {
        let text = r#"{"speak":"oauth2","tokens":{"access":"5m"},"keys":{"algorithm":"EdDSA"}}"#;
        let settings: MountSettings = serde_json::from_str(text).unwrap();
        let oauth = build(&settings, "https://api.test/oauth/");
        assert_eq!(oauth.profile().access_lifetime, Duration::from_mins(5));
        assert_eq!(oauth.profile().algorithm, Algorithm::EdDSA);
    }
}
