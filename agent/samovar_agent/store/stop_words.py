"""Words that texts of a language have whatever they are about: to look for them costs most and says least.

What people look for in another of these languages is not here: German "war" and "die", French "son" and "un", Italian
"ai", Portuguese "os". A word that is missing here does little harm, since what is in most texts weighs little.
"""

from __future__ import annotations

_ENGLISH = """
a about above after again all also am an and any are as at be because been before being below between both but by can
could did do does doing down during each either else for from further had has have having he her here hers herself him
himself his how however i if in into is it its itself just me more most my myself neither no nor not of off on only or
other our ours ourselves own she should so some such than that the their theirs them themselves then there these they
this those through to too under until up upon very was we were what when where whether which while who whom whose why
with within would you your yours yourself yourselves
"""
_GERMAN = """
aber alle allem allen aller alles als auch auf aus bei beim bis damit dann das dass daß dein deine denen der deren des
dessen dich dies diese diesem diesen dieser dieses dir doch du durch ein eine einem einen einer eines er es euch euer
für gegen haben hatte hatten ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im ist ja jede jedem jeden jeder jedes jene
kann kein keine keinem keinen können mein meine mich mir muss müssen nach nicht noch nur ob oder ohne sehr sein seine
seinem seinen seiner sich sie sind soll sollte über und uns unser unsere unter vom von vor waren warum weil welche
welchem welchen welcher welches wenn werden wie wieder wir wird wo wurde wurden zu zum zur zwischen
"""
_FRENCH = """
au aux avec avait avoir ce cela ces cet cette chez dans de depuis des donc dont du elle elles en est et était être eux
il ils je la le les leur leurs lors lui mais mes mon ne nos notre nous ou où pas pourquoi que quel quelle quelles quels
qui quoi sa ses si sont sous sur tes toi très tu une vos votre vous
"""
_SPANISH = """
al algunas algunos contra cuando cual del desde el ella ellas ellos entre esa esas ese eso esos esta está están estas
este esto estos fue ha han hasta la las lo los más mi mis mucho muy ni nosotros o otra otras otro otros para pero por
porque qué quien se ser su sus también tanto tiene todo todos tus una uno unos y ya yo
"""
_ITALIAN = """
agli al alla alle allo anche che chi coi cui da dagli dai dal dalla dalle degli dei del della delle dello di e è ed gli
hanno ho il la le lei li lo loro lui ma mio negli nei nel nella nelle nello noi nostra nostro per perché più quale
quando quanto quella quelle quelli quello questa queste questi questo sei si siamo sono su sua sue sugli sul sulla sulle
suo suoi tra una voi
"""
_PORTUGUESE = """
ao aos aquela aquele até da dela dele deles depois e ela elas ele eles em essa esse esta está este eu foi foram há isso
isto já lhe mesmo meu minha muito na nas nem não o ou para pela pelas pelo pelos por porque qual quando que quem seu
seus sua suas são também tem tinha uma você à às
"""
_DUTCH = """
aan alleen bij daar dat deze dit doen een eens en er geen haar heb hebben heeft het hier hij hun ik ja je maar mijn moet
na naar niet niets nog nu om omdat ons ook op te tegen toch toen tot uit veel voor waar waren wat wel werd wij worden
wordt zal zelf zich zij zijn zo zou
"""

BY_LANGUAGE = [
    frozenset(words.split()) for words in (_ENGLISH, _GERMAN, _FRENCH, _SPANISH, _ITALIAN, _PORTUGUESE, _DUTCH)
]
STOP_WORDS = frozenset().union(*BY_LANGUAGE)
"""In lower case."""
