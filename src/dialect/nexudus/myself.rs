//! The account of a token, as the original describes it.

use serde_json::{Map, Value, json};

use crate::issue::Myself;

/// What the gateway does not know is null, and so is what can only be written.
pub(super) fn profile_of(account: &Myself) -> Value {
    let email = account.email.as_deref().unwrap_or(&account.name);
    let full_name = account.title.as_deref().unwrap_or(&account.name);
    let created = account.created_at.to_string();
    let known = [
        ("FullName", json!(full_name)),
        ("Email", json!(email)),
        ("Active", json!(true)),
        ("MustResetPassword", json!(account.must_reset)),
        ("Id", json!(number_of(&account.id))),
        ("CreatedOn", json!(without_millis(&created))),
        ("UniqueId", json!(guid_of(&account.id))),
        ("IsNew", json!(false)),
        ("ToStringText", json!(format!("{full_name} - {email}"))),
    ];
    let fields = FIELDS.split_whitespace();
    let mut profile: Map<String, Value> = fields
        .map(|field| (field.to_owned(), Value::Null))
        .collect();
    for (name, value) in known {
        profile.insert(name.to_owned(), value);
    }
    Value::Object(profile)
}

/// The number of an account. Fifty-three bits of its identity: few enough for every reader of JSON, and too many for two
/// accounts to meet in.
fn number_of(id: &str) -> u64 {
    let head = id.get(..16).unwrap_or_default();
    u64::from_str_radix(head, 16).unwrap_or_default() >> 11
}

/// The identity of an account, written as a GUID (RFC 9562 §4).
fn guid_of(id: &str) -> String {
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    let parts = parts.map(|part| id.get(part).unwrap_or_default());
    parts.join("-")
}

/// The original knows whole seconds only.
fn without_millis(moment: &str) -> String {
    match moment.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => moment.to_owned(),
    }
}

/// The fields of an account, in the order of the original.
const FIELDS: &str = "\
    NewPasswordConfirm OldPassword DefaultBusinessId DefaultBusinessName DefaultCurrencyId DefaultCurrencyName \
    DefaultCurrencyCode DefaultCountryId DefaultCountryName DefaultSimpleTimeZoneId DefaultSimpleTimeZoneName \
    DefaultSimpleTimeZoneNameIana FullName Email AccessToken PreferredLanguageId NewPassword PassportNumber \
    PassportCardNumber EnablePassportAccess Active IsAdmin APIAccess Validated MustResetPassword LastAccess \
    Devices OnNewEmail OnHelpDeskMsg OnNewWallPost OnNewMember OnProfileChanges OnNewBlogComment \
    OnNewEventComment OnTariffChange OnBookingChange OnPurchases OnVisitorRegistration OnPlaformInvoices \
    ReceiveCommunityDigest ReceiveEveryMessage Businesses AddedBusinesses RemovedBusinesses UserRoles \
    AddedUserRoles RemovedUserRoles ChatRooms AddedChatRooms RemovedChatRooms NewAvatarUrl AvatarFileName \
    ClearAvatarFile Id UpdatedOn CreatedOn UniqueId UpdatedBy IsNew SystemId ToStringText LocalizationDetails";
