//! What it costs to hold an identity against the terms of a route.

#[path = "bed/caller.rs"]
mod caller;

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use tollgate::permit::{Demand, RequiredClaim, Terms};
use tollgate::token::Scope;
use tollgate::verify::Memo;

use crate::caller::{Caller, wanted};

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let caller = Caller::new()?;
    let identity = caller
        .identify(&caller.verifier(), &Memo::default())
        .ok_or("the token was refused")?;
    let mut group = criterion.benchmark_group("admit");
    for (name, demand) in demands()? {
        group.bench_function(name, |bencher| {
            bencher.iter(|| demand.admit(Some(Arc::clone(black_box(&identity)))));
        });
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

fn demands() -> Result<[(&'static str, Demand); 4], Box<dyn Error>> {
    let (_, tenant) = wanted();
    let terms = |scope: &str, values: &[&str]| -> Result<Terms, Box<dyn Error>> {
        let values: Box<[String]> = values.iter().copied().map(str::to_owned).collect();
        let claims = if values.is_empty() {
            Box::default()
        } else {
            Box::from([RequiredClaim {
                claim: tenant,
                values,
            }])
        };
        Ok(Terms {
            scope: Scope::parse(scope)?,
            claims,
        })
    };
    Ok([
        ("any token", Demand::Token(terms("", &[])?)),
        ("a scope", Demand::Token(terms("read profile", &[])?)),
        (
            "a scope and a claim",
            Demand::Token(terms("read", &["globex", "acme"])?),
        ),
        ("a scope it lacks", Demand::Token(terms("delete", &[])?)),
    ])
}
