//! Bodies of requests, made once for all sinks that get the same: several databases cost little more than one.
//! One is made at a time, so that sinks which catch up leave the other cores to the probes.

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::task::JoinError;

/// What a body is made of and how: the same gives the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Where in the spool its batch begins and ends.
    pub(super) place: [(u64, u64); 2],
    /// The first of the batch's points, and how many.
    pub(super) points: (usize, usize),
    /// How they are written down.
    pub(super) form: Form,
}

/// How points are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Line protocol, with tags that all points get.
    Lines {
        /// Whether it is packed.
        gzip: bool,
        /// The tags.
        tags: Vec<(String, String)>,
    },
    /// Remote write, with labels that all series get.
    Series(Vec<(String, String)>),
}

/// A body, and how many of its points have values.
pub(super) type Body = (Bytes, usize);

/// What a thread brought. Where the runtime ends before the thread began, nothing waits for it any more.
///
/// # Panics
/// The work panicked.
pub(super) async fn finished<T>(done: Result<T, JoinError>) -> T {
    match done {
        Ok(done) => done,
        Err(why) if why.is_panic() => std::panic::resume_unwind(why.into_panic()),
        Err(_) => std::future::pending().await,
    }
}

/// The body that was made last.
#[derive(Debug, Default)]
pub(super) struct Bodies(Mutex<Option<(Recipe, Body)>>);

impl Bodies {
    /// The body by this recipe; `make` makes it, away from the runtime's threads.
    pub(super) async fn get(
        &self,
        recipe: Recipe,
        make: impl FnOnce() -> Body + Send + 'static,
    ) -> Body {
        let mut last = self.0.lock().await;
        if let Some((known, body)) = &*last
            && *known == recipe
        {
            return body.clone();
        }
        let made = finished(tokio::task::spawn_blocking(make).await).await;
        *last = Some((recipe, made.clone()));
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_several_sinks_get_is_made_once_and_nobody_gets_what_is_for_others() {
        let bodies = Bodies::default();
        let form =
            |site: &str| Form::Lines { gzip: true, tags: vec![("site".into(), site.into())] };
        let recipe = |offset, form| Recipe { place: [(1, offset), (2, 0)], points: (0, 5), form };
        let made = |text: &'static str| move || (Bytes::from_static(text.as_bytes()), 5);
        let unmade = || -> Body { panic!("it is there") };
        let first = bodies.get(recipe(0, form("a")), made("a0")).await;
        assert_eq!(bodies.get(recipe(0, form("a")), unmade).await, first);
        assert_eq!(bodies.get(recipe(0, form("b")), made("b0")).await.0, "b0");
        assert_eq!(bodies.get(recipe(9, form("b")), made("b9")).await.0, "b9");
        let fewer = Recipe { points: (0, 4), ..recipe(9, form("b")) };
        assert_eq!(bodies.get(fewer, made("b9 half")).await.0, "b9 half");
        let series = Recipe { form: Form::Series(Vec::new()), ..recipe(9, form("b")) };
        assert_eq!(bodies.get(series, made("series")).await.0, "series");
    }
}
